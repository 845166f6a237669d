;; Describes itself in what would clear a terminal and turn its text around.
;; expect: allow
(module
  ;; include: policy
  ;; include: evaluate
  (@custom "portcullis-policy" "{\"name\":\"guest.hostile\",\"version\":\"0.1.0\",\"summary\":\"\\u001b[2J\\u202ebad\",\"settings_schema\":{},\"codes\":[{\"code\":\"guest.hostile.allow\",\"summary\":\"Allows.\"}],\"inputs\":[\"/action/name\"],\"data\":[],\"sdk\":\"none\"}")
)
