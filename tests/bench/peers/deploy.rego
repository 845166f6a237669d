# The benchmarks' policy in Rego. Settings are `data.settings`.
package bench.deploy

role := object.get(input, ["subject", "properties", "role"], "nobody")

environment := object.get(input, ["context", "environment"], "nowhere")

change := object.get(input, ["context", "change", "kind"], "")

decision := {"outcome": "deny", "code": "bench.deploy.environment", "message": message} if {
	not environment in data.settings.environments
	message := sprintf("%s is not an environment for %s %s", [environment, input.resource.type, input.resource.id])
} else := {"outcome": "deny", "code": "bench.deploy.action", "message": message} if {
	not input.action.name in data.settings.actions
	message := sprintf("%s is not an action on %s %s", [input.action.name, input.resource.type, input.resource.id])
} else := {"outcome": "deny", "code": "bench.deploy.role", "message": message} if {
	not role in data.settings.roles
	message := sprintf("%s may not %s %s to %s", [role, input.action.name, input.resource.id, environment])
} else := {"outcome": "escalate", "code": "bench.deploy.major", "message": message} if {
	change == "major"
	message := sprintf("%s of %s is a major change", [input.action.name, input.resource.id])
} else := {"outcome": "allow", "code": "bench.deploy.ok", "message": message} if {
	message := sprintf("%s may %s %s to %s", [role, input.action.name, input.resource.id, environment])
}
