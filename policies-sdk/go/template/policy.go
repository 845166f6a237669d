// Changes to protected environments need a ticket, and approval where the risk is high.
package main

import (
	_ "embed"
	"fmt"
	"slices"

	portcullis "policy.example/{{name}}/sdk"
)

const code = "example.{{name}}"

//go:embed policy.json
var description []byte

// Settings, as the schema in policy.json has them.
type Settings struct {
	Protected    []string `json:"protected"`
	EscalateFrom int64    `json:"escalate_from"`
}

// Inputs are what the policy reads of a request, in the order of policy.json. Pointers may be missing; a field of another
// type is a fault.
type Inputs struct {
	Action      string  `input:"/action/name"`
	Environment *string `input:"/context/environment"`
	Ticket      *string `input:"/context/change/ticket"`
	Risk        *int64  `input:"/context/change/risk"`
}

func evaluate(settings *Settings, input *Inputs) *portcullis.Answer {
	if input.Action != "deploy" {
		return portcullis.Abstain()
	}
	if input.Environment == nil || *input.Environment == "" {
		return portcullis.Say(portcullis.Deny(code+".environment-missing", "say which environment").
			Provide("/context/environment"))
	}
	environment := *input.Environment
	if !slices.Contains(settings.Protected, environment) {
		return portcullis.Say(portcullis.Allow(code+".open", environment+" is not protected"))
	}
	if input.Ticket == nil || *input.Ticket == "" {
		return portcullis.Say(portcullis.Deny(code+".ticket-missing", environment+" is protected: name the ticket").
			At("/context/change/ticket").Provide("/context/change/ticket"))
	}
	answer := portcullis.Say(portcullis.Allow(code+".ticketed", "the ticket is "+*input.Ticket).At("/context/change/ticket"))
	switch from := settings.EscalateFrom; {
	case input.Risk == nil:
		answer.Add(portcullis.Warn(code+".risk-unknown", "say how risky the change is").Provide("/context/change/risk"))
	case *input.Risk >= from:
		message := fmt.Sprintf("the risk is %d, and from %d on it needs approval", *input.Risk, from)
		answer.Add(portcullis.Escalate(code+".risk-high", message).At("/context/change/risk").
			Approve(1, 60, "release-manager"))
	}
	return answer.Oblige("notify", map[string]any{"channel": "releases", "ticket": *input.Ticket})
}

func init() {
	portcullis.Register(description, evaluate)
}

func main() {}
