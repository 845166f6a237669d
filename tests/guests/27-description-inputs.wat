;; Reads a field of the request that its description does not name.
;; expect: load.inputs
(module
  ;; include: policy
  ;; include: evaluate
  (@custom "portcullis-policy" "{\"name\":\"guest.hostile\",\"version\":\"0.1.0\",\"summary\":\"A guest.\",\"settings_schema\":{},\"codes\":[{\"code\":\"guest.hostile.allow\",\"summary\":\"Allows.\"}],\"inputs\":[\"/action/properties\"],\"data\":[],\"sdk\":\"none\"}")
)
