;; Describes itself twice, so that a reviewer and the host could read different inputs.
;; expect: load.format
(module
  ;; include: policy
  ;; include: evaluate
  (@custom "portcullis-policy" "{\"name\":\"guest.hostile\",\"version\":\"0.1.0\",\"summary\":\"A guest.\",\"settings_schema\":{},\"codes\":[{\"code\":\"guest.hostile.allow\",\"summary\":\"Allows.\"}],\"inputs\":[\"/action/name\"],\"data\":[],\"sdk\":\"none\"}")
  (@custom "portcullis-policy" "{\"name\":\"guest.hostile\",\"version\":\"0.1.0\",\"summary\":\"A guest.\",\"settings_schema\":{},\"codes\":[{\"code\":\"guest.hostile.allow\",\"summary\":\"Allows.\"}],\"inputs\":[\"/action/properties\"],\"data\":[],\"sdk\":\"none\"}")
)
