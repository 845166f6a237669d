package portcullis

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// schema is a subset of JSON schema, the same in every SDK.
type schema struct {
	Type                 string             `json:"type"`
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	AdditionalProperties *bool              `json:"additionalProperties"`
	Items                *schema            `json:"items"`
	Enum                 []any              `json:"enum"`
	Minimum              *float64           `json:"minimum"`
	Maximum              *float64           `json:"maximum"`
	MinItems             *int               `json:"minItems"`
	MaxItems             *int               `json:"maxItems"`
	MinLength            *int               `json:"minLength"`
	MaxLength            *int               `json:"maxLength"`
	Default              json.RawMessage    `json:"default"`
	// What is not checked here must not look as if it were.
	unchecked []string
}

var keywords = []string{
	"type", "properties", "required", "additionalProperties", "items", "enum", "minimum", "maximum", "minItems", "maxItems",
	"minLength", "maxLength", "default", "title", "description", "$schema",
}

func (s *schema) UnmarshalJSON(text []byte) error {
	type plain schema
	if err := json.Unmarshal(text, (*plain)(s)); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	for name := range members {
		if !slices.Contains(keywords, name) {
			s.unchecked = append(s.unchecked, name)
		}
	}
	sort.Strings(s.unchecked)
	return nil
}

// unknown says what of the schema is not checked; empty where everything is.
func (s *schema) unknown(at string) string {
	if len(s.unchecked) > 0 {
		return at + "/" + s.unchecked[0] + ": this keyword is not checked; leave it out"
	}
	if !slices.Contains([]string{"object", "array", "string", "integer", "number", "boolean"}, s.Type) {
		return at + "/type is not one of object, array, string, integer, number, boolean"
	}
	for _, name := range sorted(s.Properties) {
		if problem := s.Properties[name].unknown(at + "/properties/" + name); problem != "" {
			return problem
		}
	}
	if s.Items != nil {
		return s.Items.unknown(at + "/items")
	}
	return ""
}

// conform gives the value with defaults, and adds what is wrong with it.
func (s *schema) conform(value any, at string, problems *[]Problem) any {
	problem := func(format string, args ...any) {
		*problems = append(*problems, Problem{at, fmt.Sprintf(format, args...)})
	}
	if !s.typed(value) {
		problem("is not of the type %s", s.Type)
		return value
	}
	if s.Enum != nil && !slices.ContainsFunc(s.Enum, func(one any) bool { return fmt.Sprint(one) == fmt.Sprint(value) }) {
		problem("is not one of %v", s.Enum)
	}
	switch value := value.(type) {
	case json.Number:
		number, _ := value.Float64()
		if s.Minimum != nil && number < *s.Minimum {
			problem("is less than %v", *s.Minimum)
		}
		if s.Maximum != nil && number > *s.Maximum {
			problem("is more than %v", *s.Maximum)
		}
	case string:
		length := utf8.RuneCountInString(value)
		if s.MinLength != nil && length < *s.MinLength {
			problem("is shorter than %d", *s.MinLength)
		}
		if s.MaxLength != nil && length > *s.MaxLength {
			problem("is longer than %d", *s.MaxLength)
		}
	case []any:
		if s.MinItems != nil && len(value) < *s.MinItems {
			problem("has fewer than %d entries", *s.MinItems)
		}
		if s.MaxItems != nil && len(value) > *s.MaxItems {
			problem("has more than %d entries", *s.MaxItems)
		}
		if s.Items != nil {
			for n := range value {
				value[n] = s.Items.conform(value[n], fmt.Sprintf("%s/%d", at, n), problems)
			}
		}
	case map[string]any:
		s.members(value, at, problems)
	}
	return value
}

func (s *schema) members(value map[string]any, at string, problems *[]Problem) {
	place := func(name string) string {
		return at + "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	}
	for _, name := range sorted(value) {
		if s.Properties[name] == nil && s.AdditionalProperties != nil && !*s.AdditionalProperties {
			*problems = append(*problems, Problem{place(name), "is not known here"})
		}
	}
	for _, name := range sorted(s.Properties) {
		property := s.Properties[name]
		if given, there := value[name]; there {
			value[name] = property.conform(given, place(name), problems)
		} else if property.Default != nil {
			value[name] = property.Default
		} else if slices.Contains(s.Required, name) {
			*problems = append(*problems, Problem{place(name), "is missing"})
		}
	}
}

func (s *schema) typed(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return s.Type == "object"
	case []any:
		return s.Type == "array"
	case string:
		return s.Type == "string"
	case bool:
		return s.Type == "boolean"
	case json.Number:
		_, err := value.Int64()
		return s.Type == "number" || s.Type == "integer" && err == nil
	default:
		return false
	}
}

func sorted[V any](of map[string]V) []string {
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
