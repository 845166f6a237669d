package portcullis

// The canonical ABI of the world in wit/policy.wit, written by hand: it is small, and then nothing has to be generated.
// https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md
//
// Go's own pointers take 8 bytes in memory, the contract's 4; so answers are laid out in bytes.

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// kept is what the host still reads, or has written: the collector must not free it. An instance lives for one decision.
var kept [][]byte

func keep(bytes []byte) uint32 {
	if len(bytes) == 0 {
		return 8
	}
	kept = append(kept, bytes)
	return uint32(uintptr(unsafe.Pointer(&bytes[0])))
}

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	// A multiple of 8 is aligned to 8, the most that the contract asks for.
	bytes := make([]byte, (size+7)&^7+8)
	if old != nil {
		copy(bytes, unsafe.Slice((*byte)(old), min(oldSize, size)))
	}
	keep(bytes)
	return unsafe.Pointer(&bytes[0])
}

//go:wasmexport configure
func configure(settings unsafe.Pointer, length uint32) (result uint32) {
	defer func() {
		if panicked := recover(); panicked != nil {
			result = results(1, problemList([]Problem{{"", fmt.Sprint(panicked)}}))
		}
	}()
	if registered == nil {
		panic("no policy was registered: call portcullis.Register in init")
	}
	pointers, problems := Configure([]byte(lift(settings, length)))
	if len(problems) > 0 {
		return results(1, problemList(problems))
	}
	return results(0, textList(pointers))
}

//go:wasmexport evaluate
func evaluate(values unsafe.Pointer, length uint32) (result uint32) {
	defer func() {
		if panicked := recover(); panicked != nil {
			var out writer
			out.u32(1)
			out.text(fmt.Sprint(panicked))
			result = keep(append(out.bytes, make([]byte, 12)...))
		}
	}()
	inputs := make([]Value, length)
	for n := range inputs {
		inputs[n] = liftValue(unsafe.Add(values, n*valueBytes))
	}
	answer := Evaluate(inputs)
	if answer == nil {
		panic("evaluate returned no answer")
	}
	return lower(answer)
}

const valueBytes = 16

func lift(at unsafe.Pointer, length uint32) string {
	if length == 0 {
		return ""
	}
	return string(unsafe.Slice((*byte)(at), length))
}

func liftText(at unsafe.Pointer) string {
	return lift(unsafe.Pointer(uintptr(*(*uint32)(at))), *(*uint32)(unsafe.Add(at, 4)))
}

func liftValue(at unsafe.Pointer) Value {
	value := Value{Tag: Tag(*(*uint8)(at))}
	payload := unsafe.Add(at, 8)
	switch value.Tag {
	case Boolean:
		value.Boolean = *(*uint8)(payload) != 0
	case Integer:
		value.Integer = *(*int64)(payload)
	case Number:
		value.Number = math.Float64frombits(*(*uint64)(payload))
	case Text, JSON:
		value.Text = liftText(payload)
	}
	return value
}

// writer lays out values of the contract; each is a multiple of 4 bytes.
type writer struct{ bytes []byte }

func (w *writer) u32(value uint32) { w.bytes = binary.LittleEndian.AppendUint32(w.bytes, value) }

func (w *writer) text(text string) {
	w.u32(keep([]byte(text)))
	w.u32(uint32(len(text)))
}

func (w *writer) list(bytes []byte, length int) {
	w.u32(keep(bytes))
	w.u32(uint32(length))
}

func results(tag uint32, list writer) uint32 {
	var out writer
	out.u32(tag)
	out.bytes = append(out.bytes, list.bytes...)
	return keep(out.bytes)
}

func textList(texts []string) (list writer) {
	var items writer
	for _, text := range texts {
		items.text(text)
	}
	list.list(items.bytes, len(texts))
	return list
}

func problemList(problems []Problem) (list writer) {
	var items writer
	for _, problem := range problems {
		items.text(problem.At)
		items.text(problem.Message)
	}
	list.list(items.bytes, len(problems))
	return list
}

func lower(answer *Answer) uint32 {
	var findings, obligations, out writer
	for _, finding := range answer.findings {
		findings.u32(uint32(finding.outcome))
		findings.text(finding.code)
		findings.text(finding.message)
		if finding.at == nil {
			findings.u32(0)
			findings.u32(0)
			findings.u32(0)
		} else {
			findings.u32(1)
			findings.text(*finding.at)
		}
		findings.require(finding.requirement)
	}
	for _, obligation := range answer.obligations {
		obligations.text(obligation.kind)
		obligations.text(obligation.params)
	}
	out.u32(0)
	if answer.abstains && len(answer.findings) > 0 {
		panic("it abstains, and has findings")
	}
	if answer.abstains {
		out.u32(0)
		out.u32(0)
		out.u32(0)
	} else {
		out.u32(1)
		out.list(findings.bytes, len(answer.findings))
	}
	out.list(obligations.bytes, len(answer.obligations))
	return keep(out.bytes)
}

// require writes the 28 bytes of an optional requirement.
func (w *writer) require(needed *requirement) {
	end := len(w.bytes) + 28
	if needed != nil {
		w.u32(1)
		w.u32(uint32(needed.kind))
		if needed.kind == requireApproval {
			w.bytes = append(w.bytes, textList(needed.roles).bytes...)
			w.u32(needed.count)
			if needed.withinMinutes > 0 {
				w.u32(1)
			} else {
				w.u32(0)
			}
			w.u32(needed.withinMinutes)
		} else {
			w.text(needed.text)
		}
	}
	for len(w.bytes) < end {
		w.u32(0)
	}
}

//go:wasmimport $root log
func importLog(message unsafe.Pointer, length uint32)

//go:wasmimport $root data
func importData(document unsafe.Pointer, documentLength uint32, pointer unsafe.Pointer, pointerLength uint32, out unsafe.Pointer)

// Log writes a line to the record of this evaluation.
func Log(message string) {
	bytes := append([]byte(message), 0)
	importLog(unsafe.Pointer(&bytes[0]), uint32(len(message)))
}

// Data is the value at a JSON pointer of a reference document that policy.json names.
func Data(document, pointer string) Value {
	name, place := append([]byte(document), 0), append([]byte(pointer), 0)
	out := make([]byte, valueBytes)
	keep(out)
	importData(unsafe.Pointer(&name[0]), uint32(len(document)), unsafe.Pointer(&place[0]), uint32(len(pointer)), unsafe.Pointer(&out[0]))
	return liftValue(unsafe.Pointer(&out[0]))
}

//go:wasmimport $root request
func importRequest(pointers unsafe.Pointer, length uint32, out unsafe.Pointer)

//go:wasmimport $root history
func importHistory(hasAction uint32, action unsafe.Pointer, actionLength uint32,
	hasType uint32, resourceType unsafe.Pointer, typeLength uint32,
	hasID uint32, resourceID unsafe.Pointer, idLength uint32,
	outcomes unsafe.Pointer, outcomesLength uint32, withinMinutes uint32, out unsafe.Pointer)

// Request is the values of request fields that could not be declared, one for each JSON pointer, in order.
func Request(pointers ...string) []Value {
	list := textList(pointers)
	out := make([]byte, 8)
	keep(out)
	at := unsafe.Pointer(uintptr(binary.LittleEndian.Uint32(list.bytes)))
	importRequest(at, uint32(len(pointers)), unsafe.Pointer(&out[0]))
	values := make([]Value, binary.LittleEndian.Uint32(out[4:]))
	first := unsafe.Pointer(uintptr(binary.LittleEndian.Uint32(out)))
	for n := range values {
		values[n] = liftValue(unsafe.Add(first, n*valueBytes))
	}
	return values
}

// History counts past decisions in the host's ledger. policy.json says what for: `"history": {"summary": ".."}`.
func History(query HistoryQuery) HistoryAnswer {
	hasAction, action, actionLength := option(query.Action)
	hasType, resourceType, typeLength := option(query.ResourceType)
	hasID, resourceID, idLength := option(query.ResourceID)
	outcomes := make([]byte, len(query.Outcomes)+1)
	for n, outcome := range query.Outcomes {
		outcomes[n] = byte(outcome)
	}
	out := make([]byte, 32)
	keep(out)
	importHistory(hasAction, action, actionLength, hasType, resourceType, typeLength, hasID, resourceID, idLength,
		unsafe.Pointer(&outcomes[0]), uint32(len(query.Outcomes)), query.WithinMinutes, unsafe.Pointer(&out[0]))
	return HistoryAnswer{binary.LittleEndian.Uint64(out), liftOption(out[8:]), liftOption(out[20:])}
}

func option(text *string) (has uint32, at unsafe.Pointer, length uint32) {
	if text == nil {
		return 0, nil, 0
	}
	bytes := append([]byte(*text), 0)
	return 1, unsafe.Pointer(&bytes[0]), uint32(len(*text))
}

func liftOption(option []byte) *string {
	if option[0] == 0 {
		return nil
	}
	text := liftText(unsafe.Pointer(&option[4]))
	return &text
}
