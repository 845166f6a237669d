package portcullis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// Tag is the kind of a Value.
type Tag uint8

// The kinds.
const (
	Missing Tag = iota
	Null
	Boolean
	Integer
	Number
	Text
	JSON
)

// Value is that of a request field or of a place in a document.
type Value struct {
	Tag     Tag
	Boolean bool
	Integer int64
	Number  float64
	// Text of Text, and the JSON text of JSON.
	Text string
}

// Problem is something wrong with the settings.
type Problem struct {
	// At is a JSON pointer into the settings.
	At string
	// Message says what is wrong and how to mend it.
	Message string
}

type policy struct {
	configure func(settings []byte) ([]string, []Problem)
	evaluate  func(values []Value) *Answer
}

var registered *policy

// Register makes a policy of a description, the content of policy.json, and a function. Fields of I have a tag `input` with
// a JSON pointer and are string, bool, int64, float64, or json.RawMessage for objects and lists; pointers to them are nil
// where the request has none, or null. S is read with encoding/json, after the schema in the description was checked and its
// defaults were added.
func Register[S, I any](description []byte, evaluate func(settings *S, input *I) *Answer) {
	var described struct {
		Inputs []string `json:"inputs"`
		Schema *schema  `json:"settings_schema"`
	}
	if err := json.Unmarshal(description, &described); err != nil {
		panic("policy.json: " + err.Error())
	}
	if described.Schema == nil {
		closed := false
		described.Schema = &schema{Type: "object", AdditionalProperties: &closed}
	}
	inputs := reflect.TypeFor[I]()
	var settings S
	registered = &policy{
		configure: func(text []byte) ([]string, []Problem) {
			var pointers []string
			for n := range inputs.NumField() {
				pointers = append(pointers, inputs.Field(n).Tag.Get("input"))
			}
			if !reflect.DeepEqual(pointers, described.Inputs) {
				return nil, []Problem{{"", fmt.Sprintf("policy.json lists the inputs %q, the policy reads %q", described.Inputs, pointers)}}
			}
			return pointers, read(text, described.Schema, &settings)
		},
		evaluate: func(values []Value) *Answer {
			var input I
			target := reflect.ValueOf(&input).Elem()
			for n := range inputs.NumField() {
				fill(target.Field(n), values[n], inputs.Field(n).Tag.Get("input"))
			}
			return evaluate(&settings, &input)
		},
	}
}

// Configure is what the host calls at load; for unit tests.
func Configure(settings []byte) ([]string, []Problem) { return registered.configure(settings) }

// Evaluate is what the host calls for each decision, with a value for each input; for unit tests.
func Evaluate(values []Value) *Answer { return registered.evaluate(values) }

func read(text []byte, schema *schema, settings any) []Problem {
	if problem := schema.unknown("/settings_schema"); problem != "" {
		return []Problem{{"", problem}}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var given any
	if err := decoder.Decode(&given); err != nil {
		return []Problem{{"", "is not JSON: " + err.Error()}}
	}
	var problems []Problem
	given = schema.conform(given, "", &problems)
	if len(problems) > 0 {
		return problems
	}
	whole, err := json.Marshal(given)
	if err == nil {
		strict := json.NewDecoder(bytes.NewReader(whole))
		strict.DisallowUnknownFields()
		err = strict.Decode(settings)
	}
	if err != nil {
		return []Problem{{"", err.Error()}}
	}
	return nil
}

// fill stores a request's value in a field; of another type, it panics, which is a fault.
func fill(field reflect.Value, value Value, pointer string) {
	if field.Kind() == reflect.Pointer {
		if value.Tag == Missing || value.Tag == Null {
			return
		}
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	switch {
	case value.Tag == Missing || value.Tag == Null:
		panic(pointer + " is missing")
	case field.Type() == reflect.TypeFor[json.RawMessage]() && value.Tag == JSON:
		field.SetBytes([]byte(value.Text))
	case field.Kind() == reflect.String && value.Tag == Text:
		field.SetString(value.Text)
	case field.Kind() == reflect.Bool && value.Tag == Boolean:
		field.SetBool(value.Boolean)
	case field.Kind() == reflect.Int64 && value.Tag == Integer:
		field.SetInt(value.Integer)
	case field.Kind() == reflect.Float64 && value.Tag == Number:
		field.SetFloat(value.Number)
	case field.Kind() == reflect.Float64 && value.Tag == Integer:
		field.SetFloat(float64(value.Integer))
	default:
		panic(fmt.Sprintf("%s is not of the type %s", pointer, field.Type()))
	}
}
