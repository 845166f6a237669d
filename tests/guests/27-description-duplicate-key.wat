;; Names its inputs twice in one description: one reader takes the first, another the last.
;; expect: load.format
(module
  ;; include: policy
  ;; include: evaluate
  (@custom "portcullis-policy" "{\"name\":\"guest.hostile\",\"version\":\"0.1.0\",\"summary\":\"A guest.\",\"settings_schema\":{},\"codes\":[{\"code\":\"guest.hostile.allow\",\"summary\":\"Allows.\"}],\"inputs\":[\"/action/name\"],\"inputs\":[\"/action/properties\"],\"data\":[],\"sdk\":\"none\"}")
)
