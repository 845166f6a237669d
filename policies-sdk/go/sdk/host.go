package portcullis

// HistoryQuery says which past decisions to count: those for which everything that is given here holds.
type HistoryQuery struct {
	// Action is the action's name; nil: any. So for the two below.
	Action       *string
	ResourceType *string
	ResourceID   *string
	// Outcomes: the decision's is one of these. None: any.
	Outcomes []Outcome
	// WithinMinutes is the window up to now: 1 to 527,040.
	WithinMinutes uint32
}

// HistoryAnswer is how many past decisions there are.
type HistoryAnswer struct {
	Count uint64
	// Oldest and Latest are when the first and the last of them were made, RFC 3339 in UTC; nil where there are none.
	Oldest, Latest *string
}
