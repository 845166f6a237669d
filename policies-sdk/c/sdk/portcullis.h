// Policies for Portcullis in C.
//
// A policy defines `pc_inputs`, `pc_inputs_length`, `policy_configure` and `policy_evaluate`; portcullis.c makes the
// contract's exports of them. It sees its settings and the request fields that it declares, and nothing else: no clock, no
// randomness, no files. Nothing needs to be freed: each decision starts from a fresh copy of the memory that
// `policy_configure` left.

#ifndef PORTCULLIS_H
#define PORTCULLIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Text in UTF-8. A NUL follows it, so `data` can be printed with %s; texts of a request may hold NULs themselves.
typedef struct {
  const char *data;
  size_t length;
} pc_string;

pc_string pc_text(const char *text);
bool pc_equal(pc_string a, pc_string b);

// The value of a request field.

typedef enum {
  PC_MISSING,
  PC_NULL,
  PC_BOOLEAN,
  PC_INTEGER,
  PC_NUMBER,
  PC_TEXT,
  PC_JSON,
} pc_tag;

typedef struct {
  uint8_t tag;  // pc_tag
  union {
    bool boolean;
    int64_t integer;
    double number;
    pc_string text;  // of PC_TEXT, and the JSON text of PC_JSON
  };
} pc_value;

// Each of these returns whether the field has a value and stores it. Missing and null are no value; another type is a
// fault, also where the caller goes on.
bool pc_read_text(const pc_value *inputs, size_t input, pc_string *out);
bool pc_read_integer(const pc_value *inputs, size_t input, int64_t *out);
bool pc_read_number(const pc_value *inputs, size_t input, double *out);
bool pc_read_boolean(const pc_value *inputs, size_t input, bool *out);

// JSON: settings, documents, and request fields that are objects or lists.

typedef struct pc_json pc_json;
typedef struct {
  pc_string name;
  const pc_json *value;
} pc_member;

struct pc_json {
  pc_tag kind;  // PC_JSON for lists and objects
  bool is_list;
  union {
    bool boolean;
    int64_t integer;
    double number;
    pc_string text;
  };
  size_t count;  // of items or members
  const pc_json *const *items;
  const pc_member *members;
};

// NULL where the text is not JSON.
const pc_json *pc_parse(pc_string text);
// The member of an object; NULL where there is none, or it is no object.
const pc_json *pc_get(const pc_json *object, const char *name);

// Settings. What is wrong is a problem: the set is not loaded, and says why.

// `at` is a JSON pointer into the settings.
void pc_problem(const char *at, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Every member of the settings that is not among the names is a problem.
void pc_settings_are(const pc_json *settings, const char *const *names, size_t length);
// An integer; `fallback` where there is none.
int64_t pc_setting_integer(const pc_json *settings, const char *name, int64_t fallback, int64_t min, int64_t max);
// A list of texts that are not empty, at least `min` of them; a list of none where it is wrong.
typedef struct {
  const pc_string *items;
  size_t length;
} pc_texts;
pc_texts pc_setting_texts(const pc_json *settings, const char *name, size_t min);
bool pc_contains(pc_texts texts, pc_string text);

// Answers.

typedef struct pc_finding pc_finding;

// A finding, appended to the answer; the code is `team.policy.reason`. A message is cut at 4,096 bytes.
pc_finding *pc_allow(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
pc_finding *pc_warn(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
pc_finding *pc_defer(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
pc_finding *pc_acknowledge(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
pc_finding *pc_escalate(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
pc_finding *pc_deny(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The request field that a finding is about, as a JSON pointer.
pc_finding *pc_at(pc_finding *finding, const char *pointer);
// What would change a finding; it has one, the last counts.
pc_finding *pc_provide(pc_finding *finding, const char *pointer);
pc_finding *pc_statement(pc_finding *finding, const char *text);
pc_finding *pc_wait_until(pc_finding *finding, const char *time);
// `within_minutes` 0: as long as the host keeps it.
pc_finding *pc_approve(pc_finding *finding, const char *const *roles, size_t roles_length, uint32_t count,
                       uint32_t within_minutes);

// Something that the host must do if it goes on. `pc_param` adds a text to the parameters.
typedef struct pc_obligation pc_obligation;
pc_obligation *pc_oblige(const char *kind);
pc_obligation *pc_param(pc_obligation *obligation, const char *name, pc_string value);

// Not my business. A policy that says nothing at all is a fault instead.
void pc_abstain(void);
// The policy cannot judge: a fault with this message, whatever else it said.
void pc_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// What a policy may call; what it does not call, its component does not import. Not in `policy_configure`.

void pc_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
pc_value pc_data(const char *document, const char *pointer);
pc_value pc_request(const char *pointer);

// Which past decisions to count: those for which everything that is given here holds.
typedef enum { PC_DENY, PC_ESCALATE, PC_ACKNOWLEDGE, PC_DEFER, PC_WARN, PC_ALLOW } pc_outcome;
typedef struct {
  const pc_string *action;  // NULL: any; so for the two below
  const pc_string *resource_type;
  const pc_string *resource_id;
  const pc_outcome *outcomes;  // the decision's is one of these; none: any
  size_t outcomes_length;
  uint32_t within_minutes;  // the window up to now: 1 to 527,040
} pc_history_query;

typedef struct {
  uint64_t count;
  // When the first and the last of them were made, RFC 3339 in UTC; empty where there are none.
  pc_string oldest;
  pc_string latest;
} pc_history_answer;

// policy.json says what for: `"history": {"summary": ".."}`.
pc_history_answer pc_history(const pc_history_query *query);

// What a policy defines.

// The request fields that it reads, as JSON pointers, in the order of policy.json.
extern const char *const pc_inputs[];
extern const size_t pc_inputs_length;
// Called once, at load.
void policy_configure(const pc_json *settings);
// Called for each decision, with a value for each of `pc_inputs`.
void policy_evaluate(const pc_value *inputs);

#endif
