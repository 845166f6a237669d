//go:build !wasip1

package portcullis

// Log writes a line to the record of this evaluation; natively, nowhere.
func Log(string) {}

// Documents are what Data reads natively: by document and JSON pointer.
var Documents = map[[2]string]Value{}

// Data is the value at a JSON pointer of a reference document that policy.json names.
func Data(document, pointer string) Value { return Documents[[2]string{document, pointer}] }

// Fields are what Request reads natively: by JSON pointer.
var Fields = map[string]Value{}

// Request is the values of request fields that could not be declared, one for each JSON pointer, in order.
func Request(pointers ...string) []Value {
	values := make([]Value, len(pointers))
	for n, pointer := range pointers {
		values[n] = Fields[pointer]
	}
	return values
}

// Past is what answers History natively; without it, asking panics, as a host without a history does.
var Past func(query HistoryQuery) HistoryAnswer

// History counts past decisions in the host's ledger. policy.json says what for: `"history": {"summary": ".."}`.
func History(query HistoryQuery) HistoryAnswer { return Past(query) }
