// Package portcullis is for policies for Portcullis in Go.
//
// A policy sees its settings and the request fields that it declares, and nothing else: no clock, no randomness, no files.
// A panic is a fault with its message, and a fault counts as the strictest outcome that the policy set lets the policy
// cause. Everything but the host's functions works natively too, for unit tests.
package portcullis

import "encoding/json"

// Outcome is what a finding asks for. Zero is Deny.
type Outcome uint8

// The outcomes, from the strictest.
const (
	DenyOutcome Outcome = iota
	EscalateOutcome
	AcknowledgeOutcome
	DeferOutcome
	WarnOutcome
	AllowOutcome
)

const (
	requireStatement = iota
	requireApproval
	requireField
	requireTime
)

const maxTextBytes = 4096

// Finding is one thing that a policy has to say. Each method returns the finding itself.
type Finding struct {
	outcome     Outcome
	code        string
	message     string
	at          *string
	requirement *requirement
}

type requirement struct {
	kind          uint8
	text          string
	roles         []string
	count         uint32
	withinMinutes uint32
}

// Finding of an outcome; the code is `team.policy.reason`.
func finding(outcome Outcome, code, message string) *Finding {
	return &Finding{outcome: outcome, code: code, message: cut(message)}
}

// Allow : nothing stands in the way.
func Allow(code, message string) *Finding { return finding(AllowOutcome, code, message) }

// Warn : may go on; the warning is recorded and shown.
func Warn(code, message string) *Finding { return finding(WarnOutcome, code, message) }

// Defer : not now. Say what is missing with Provide, or when with WaitUntil.
func Defer(code, message string) *Finding { return finding(DeferOutcome, code, message) }

// Acknowledge : the requester must take responsibility first.
func Acknowledge(code, message string) *Finding { return finding(AcknowledgeOutcome, code, message) }

// Escalate : someone must approve first. Say who with Approve.
func Escalate(code, message string) *Finding { return finding(EscalateOutcome, code, message) }

// Deny : stop.
func Deny(code, message string) *Finding { return finding(DenyOutcome, code, message) }

// At names the request field that the finding is about, as a JSON pointer.
func (f *Finding) At(pointer string) *Finding {
	f.at = &pointer
	return f
}

// Provide : the request must carry this field, a JSON pointer.
func (f *Finding) Provide(pointer string) *Finding {
	f.requirement = &requirement{kind: requireField, text: pointer}
	return f
}

// Statement : the requester must accept it.
func (f *Finding) Statement(text string) *Finding {
	f.requirement = &requirement{kind: requireStatement, text: cut(text)}
	return f
}

// WaitUntil : ask again at this time, RFC 3339.
func (f *Finding) WaitUntil(time string) *Finding {
	f.requirement = &requirement{kind: requireTime, text: time}
	return f
}

// Approve : so many people must, each with at least one of the roles. Within 0 minutes: as long as the host keeps it.
func (f *Finding) Approve(count, withinMinutes uint32, roles ...string) *Finding {
	f.requirement = &requirement{kind: requireApproval, roles: roles, count: count, withinMinutes: withinMinutes}
	return f
}

// Answer is findings, or an abstention, with obligations.
type Answer struct {
	abstains    bool
	findings    []*Finding
	obligations []obligation
}

type obligation struct {
	kind   string
	params string
}

// Say answers with findings; the strictest counts.
func Say(findings ...*Finding) *Answer { return &Answer{findings: findings} }

// Abstain : not my business. Never lets a request go on by itself.
func Abstain() *Answer { return &Answer{abstains: true} }

// Add adds a finding.
func (a *Answer) Add(finding *Finding) *Answer {
	a.findings = append(a.findings, finding)
	return a
}

// Oblige names something that the host must do if it goes on: `notify`, `tag` ...
func (a *Answer) Oblige(kind string, params map[string]any) *Answer {
	text := []byte("{}")
	if params != nil {
		var err error
		if text, err = json.Marshal(params); err != nil {
			panic(err)
		}
	}
	a.obligations = append(a.obligations, obligation{kind, string(text)})
	return a
}

// Codes of the findings, in order.
func (a *Answer) Codes() []string {
	var codes []string
	for _, finding := range a.findings {
		codes = append(codes, finding.code)
	}
	return codes
}

// cut between characters.
func cut(text string) string {
	if len(text) <= maxTextBytes {
		return text
	}
	end := maxTextBytes
	for end > 0 && text[end]&0xC0 == 0x80 {
		end--
	}
	return text[:end]
}
