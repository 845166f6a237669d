;; Describes itself, and keeps to it.
;; expect: allow
(module
  ;; include: policy
  ;; include: evaluate
  (@custom "portcullis-policy" "{\"name\":\"guest.hostile\",\"version\":\"0.1.0\",\"summary\":\"A guest.\",\"settings_schema\":{},\"codes\":[{\"code\":\"guest.hostile.allow\",\"summary\":\"Allows.\"}],\"inputs\":[\"/action/name\"],\"data\":[],\"sdk\":\"none\"}")
)
