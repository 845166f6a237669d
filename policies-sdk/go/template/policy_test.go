// `go test`: the policy's functions without WebAssembly. The cases in cases/ run against the component.
package main

import (
	"testing"

	portcullis "policy.example/{{name}}/sdk"
)

func TestAProtectedEnvironmentNeedsATicket(t *testing.T) {
	production := "production"
	answer := evaluate(&Settings{Protected: []string{production}}, &Inputs{Action: "deploy", Environment: &production})
	if codes := answer.Codes(); len(codes) != 1 || codes[0] != "example.{{name}}.ticket-missing" {
		t.Fatal(codes)
	}
}

func TestWhatIsWrongWithTheSettingsIsSaidWithItsPlace(t *testing.T) {
	_, problems := portcullis.Configure([]byte(`{"protected": [""], "escalate": 1}`))
	if len(problems) != 2 || problems[0].At != "/escalate" || problems[1].At != "/protected/0" {
		t.Fatal(problems)
	}
}
