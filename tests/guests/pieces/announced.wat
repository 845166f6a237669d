  (@custom "portcullis-policy" "{\"name\":\"guest.hostile\",\"version\":\"0.1.0\",\"inputs\":[\"/action/name\"],\"history\":{\"summary\":\"Counts.\"}}")
