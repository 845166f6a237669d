// The canonical ABI of the world in wit/policy.wit, written by hand: it is small, and then nothing has to be generated.
// https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md

#include "portcullis.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("$root"), import_name(name)))
#define MAX_TEXT_BYTES 4096
#define MAX_DEPTH 128

// Memory: never freed. The first pages are part of the component, so that an ordinary decision does not grow it.

static _Alignas(16) char arena[24 * 1024];
static size_t used;

static void *take(size_t size) {
  size_t start = (used + 7) & ~(size_t)7;
  if (size <= sizeof arena && start <= sizeof arena - size) {
    used = start + size;
    return arena + start;
  }
  void *more = calloc(1, size);
  if (!more) __builtin_trap();
  return more;
}

// One byte more than asked for: the NUL after a text.
EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  (void)align;
  if (size > SIZE_MAX / 2) __builtin_trap();
  char *new = take(size + 1);
  if (old) memcpy(new, old, old_size < size ? old_size : size);
  return new;
}

// Lists that grow.

typedef struct {
  void *items;
  size_t length;
  size_t room;
} list;

static void *add(list *to, size_t size) {
  if (to->length == to->room) {
    size_t room = to->room ? to->room * 2 : 4;
    void *items = take(room * size);
    if (to->length) memcpy(items, to->items, to->length * size);
    to->items = items;
    to->room = room;
  }
  return (char *)to->items + to->length++ * size;
}

// Text

pc_string pc_text(const char *text) { return (pc_string){text, strlen(text)}; }

bool pc_equal(pc_string a, pc_string b) { return a.length == b.length && memcmp(a.data, b.data, a.length) == 0; }

// Cut between characters.
static pc_string formatted(const char *format, va_list arguments) {
  char buffer[MAX_TEXT_BYTES + 8];
  int written = vsnprintf(buffer, sizeof buffer, format, arguments);
  size_t length = written < 0 ? 0 : (size_t)written;
  if (length > MAX_TEXT_BYTES) {
    length = MAX_TEXT_BYTES;
    while (length && ((unsigned char)buffer[length] & 0xC0) == 0x80) length--;
  }
  char *text = take(length + 1);
  memcpy(text, buffer, length);
  text[length] = 0;
  return (pc_string){text, length};
}

// JSON

typedef struct {
  const char *at;
  const char *end;
} reader;

static const pc_json *read_value(reader *in, int depth);

static void skip(reader *in) {
  while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at) in->at++;
}

static bool next(reader *in, char wanted) {
  skip(in);
  if (in->at >= in->end || *in->at != wanted) return false;
  in->at++;
  return true;
}

static int hex4(reader *in) {
  int value = 0;
  for (int n = 0; n < 4; n++) {
    if (in->at >= in->end) return -1;
    char c = *in->at++;
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static char *put_utf8(char *out, int c) {
  if (c < 0x80) {
    *out++ = (char)c;
  } else if (c < 0x800) {
    *out++ = (char)(0xC0 | c >> 6);
    *out++ = (char)(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *out++ = (char)(0xE0 | c >> 12);
    *out++ = (char)(0x80 | (c >> 6 & 0x3F));
    *out++ = (char)(0x80 | (c & 0x3F));
  } else {
    *out++ = (char)(0xF0 | c >> 18);
    *out++ = (char)(0x80 | (c >> 12 & 0x3F));
    *out++ = (char)(0x80 | (c >> 6 & 0x3F));
    *out++ = (char)(0x80 | (c & 0x3F));
  }
  return out;
}

// After the opening quote. What is written is never longer than what is read.
static bool read_text(reader *in, pc_string *text) {
  const char *close = in->at;
  while (close < in->end && *close != '"') close += *close == '\\' ? 2 : 1;
  if (close >= in->end) return false;
  char *out = take((size_t)(close - in->at) + 1), *start = out;
  while (in->at < close) {
    char c = *in->at++;
    if (c != '\\') {
      *out++ = c;
      continue;
    }
    c = *in->at++;
    const char *escapes = "\"\\/bfnrt", *found = strchr(escapes, c);
    if (c && found) {
      *out++ = "\"\\/\b\f\n\r\t"[found - escapes];
      continue;
    }
    int point = c == 'u' ? hex4(in) : -1;
    if (point < 0) return false;
    if (point >= 0xD800 && point < 0xDC00) {
      if (close - in->at < 6 || *in->at++ != '\\' || *in->at++ != 'u') return false;
      int low = hex4(in);
      if (low < 0xDC00 || low > 0xDFFF) return false;
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    }
    out = put_utf8(out, point);
  }
  *out = 0;
  in->at = close + 1;
  *text = (pc_string){start, (size_t)(out - start)};
  return true;
}

static bool read_number(reader *in, pc_json *json) {
  const char *start = in->at;
  bool whole = true;
  while (in->at < in->end && *in->at && strchr("+-0123456789.eE", *in->at)) {
    if (strchr(".eE", *in->at)) whole = false;
    in->at++;
  }
  size_t length = (size_t)(in->at - start);
  char *copy = take(length + 1), *stop;
  memcpy(copy, start, length);
  copy[length] = 0;
  json->kind = whole ? PC_INTEGER : PC_NUMBER;
  if (whole) {
    json->integer = strtoll(copy, &stop, 10);
  } else {
    json->number = strtod(copy, &stop);
  }
  return length && *stop == 0;
}

static bool read_members(reader *in, pc_json *json, char close, int depth) {
  list entries = {0};
  json->kind = PC_JSON;
  json->is_list = close == ']';
  if (!next(in, close)) {
    do {
      pc_string name = {0};
      if (close == '}' && (!next(in, '"') || !read_text(in, &name) || !next(in, ':'))) return false;
      const pc_json *value = read_value(in, depth + 1);
      if (!value) return false;
      if (close == ']') {
        *(const pc_json **)add(&entries, sizeof value) = value;
      } else {
        *(pc_member *)add(&entries, sizeof(pc_member)) = (pc_member){name, value};
      }
    } while (next(in, ','));
    if (!next(in, close)) return false;
  }
  json->count = entries.length;
  if (close == ']') {
    json->items = entries.items;
  } else {
    json->members = entries.items;
  }
  return true;
}

static bool word(reader *in, const char *wanted) {
  size_t length = strlen(wanted);
  if ((size_t)(in->end - in->at) < length || memcmp(in->at, wanted, length)) return false;
  in->at += length;
  return true;
}

static const pc_json *read_value(reader *in, int depth) {
  if (depth > MAX_DEPTH) return NULL;
  pc_json *json = take(sizeof *json);
  memset(json, 0, sizeof *json);
  if (next(in, '{')) return read_members(in, json, '}', depth) ? json : NULL;
  if (next(in, '[')) return read_members(in, json, ']', depth) ? json : NULL;
  if (next(in, '"')) {
    json->kind = PC_TEXT;
    return read_text(in, &json->text) ? json : NULL;
  }
  if (word(in, "null")) {
    json->kind = PC_NULL;
    return json;
  }
  if (word(in, "true") || word(in, "false")) {
    json->kind = PC_BOOLEAN;
    json->boolean = in->at[-2] == 'u';
    return json;
  }
  return read_number(in, json) ? json : NULL;
}

const pc_json *pc_parse(pc_string text) {
  reader in = {text.data, text.data + text.length};
  const pc_json *json = read_value(&in, 0);
  skip(&in);
  return in.at == in.end ? json : NULL;
}

const pc_json *pc_get(const pc_json *object, const char *name) {
  if (!object || object->kind != PC_JSON || object->is_list) return NULL;
  for (size_t n = 0; n < object->count; n++) {
    if (pc_equal(object->members[n].name, pc_text(name))) return object->members[n].value;
  }
  return NULL;
}

// Settings

typedef struct {
  pc_string at;
  pc_string message;
} problem;

static list problems;

void pc_problem(const char *at, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  pc_string message = formatted(format, arguments);
  va_end(arguments);
  *(problem *)add(&problems, sizeof(problem)) = (problem){pc_text(at), message};
}

static const char *pointer_to(pc_string name) {
  char *pointer = take(name.length * 2 + 2), *out = pointer;
  *out++ = '/';
  for (size_t n = 0; n < name.length; n++) {
    char c = name.data[n];
    if (c == '~' || c == '/') {
      *out++ = '~';
      c = c == '~' ? '0' : '1';
    }
    *out++ = c;
  }
  *out = 0;
  return pointer;
}

void pc_settings_are(const pc_json *settings, const char *const *names, size_t length) {
  if (!settings || settings->kind != PC_JSON || settings->is_list) {
    pc_problem("", "is not an object");
    return;
  }
  for (size_t n = 0; n < settings->count; n++) {
    bool known = false;
    for (size_t m = 0; m < length; m++) known |= pc_equal(settings->members[n].name, pc_text(names[m]));
    if (!known) pc_problem(pointer_to(settings->members[n].name), "is not known here");
  }
}

int64_t pc_setting_integer(const pc_json *settings, const char *name, int64_t fallback, int64_t min, int64_t max) {
  const pc_json *value = pc_get(settings, name);
  if (!value) return fallback;
  const char *at = pointer_to(pc_text(name));
  if (value->kind != PC_INTEGER) {
    pc_problem(at, "is not an integer");
  } else if (value->integer < min || value->integer > max) {
    pc_problem(at, "is not %lld to %lld", (long long)min, (long long)max);
  } else {
    return value->integer;
  }
  return fallback;
}

pc_texts pc_setting_texts(const pc_json *settings, const char *name, size_t min) {
  const pc_json *value = pc_get(settings, name);
  const char *at = pointer_to(pc_text(name));
  if (!value ? min > 0 : value->kind != PC_JSON || !value->is_list || value->count < min) {
    pc_problem(at, "is not a list of at least %zu texts", min);
    return (pc_texts){0};
  }
  size_t count = value ? value->count : 0;
  pc_string *items = take(count * sizeof *items);
  for (size_t n = 0; n < count; n++) {
    const pc_json *item = value->items[n];
    if (item->kind != PC_TEXT || !item->text.length) {
      pc_problem(at, "has an entry that is not a text, or empty");
      return (pc_texts){0};
    }
    items[n] = item->text;
  }
  return (pc_texts){items, count};
}

bool pc_contains(pc_texts texts, pc_string text) {
  for (size_t n = 0; n < texts.length; n++) {
    if (pc_equal(texts.items[n], text)) return true;
  }
  return false;
}

// Answers: the layouts are those of the canonical ABI.

typedef struct {
  const pc_string *roles;
  size_t roles_length;
  uint32_t count;
  uint8_t has_within_minutes;
  uint32_t within_minutes;
} approval;

struct pc_finding {
  uint8_t outcome;
  pc_string code;
  pc_string message;
  uint8_t has_at;
  pc_string at;
  uint8_t has_requirement;
  struct {
    uint8_t kind;
    union {
      pc_string text;
      approval approval;
    };
  } requirement;
};
_Static_assert(sizeof(struct pc_finding) == 60, "the contract's finding");

struct pc_obligation {
  pc_string kind;
  pc_string params;
};

static list findings;
static list obligations;
static bool abstains;
static pc_string failure;

static pc_finding *say(uint8_t outcome, const char *code, const char *format, va_list arguments) {
  pc_finding *finding = take(sizeof *finding);
  memset(finding, 0, sizeof *finding);
  finding->outcome = outcome;
  finding->code = pc_text(code);
  finding->message = formatted(format, arguments);
  // Pointers, so that a finding that the policy holds stays where it is.
  *(pc_finding **)add(&findings, sizeof finding) = finding;
  return finding;
}

#define OUTCOME(name, outcome)                                     \
  pc_finding *name(const char *code, const char *format, ...) {    \
    va_list arguments;                                             \
    va_start(arguments, format);                                   \
    pc_finding *finding = say(outcome, code, format, arguments);   \
    va_end(arguments);                                             \
    return finding;                                                \
  }

OUTCOME(pc_deny, 0)
OUTCOME(pc_escalate, 1)
OUTCOME(pc_acknowledge, 2)
OUTCOME(pc_defer, 3)
OUTCOME(pc_warn, 4)
OUTCOME(pc_allow, 5)

pc_finding *pc_at(pc_finding *finding, const char *pointer) {
  finding->has_at = 1;
  finding->at = pc_text(pointer);
  return finding;
}

static pc_finding *need(pc_finding *finding, uint8_t requirement, const char *text) {
  finding->has_requirement = 1;
  finding->requirement.kind = requirement;
  finding->requirement.text = pc_text(text);
  return finding;
}

pc_finding *pc_statement(pc_finding *finding, const char *text) { return need(finding, 0, text); }
pc_finding *pc_provide(pc_finding *finding, const char *pointer) { return need(finding, 2, pointer); }
pc_finding *pc_wait_until(pc_finding *finding, const char *time) { return need(finding, 3, time); }

pc_finding *pc_approve(pc_finding *finding, const char *const *roles, size_t roles_length, uint32_t count,
                       uint32_t within_minutes) {
  pc_string *copies = take(roles_length * sizeof *copies);
  for (size_t n = 0; n < roles_length; n++) copies[n] = pc_text(roles[n]);
  finding->has_requirement = 1;
  finding->requirement.kind = 1;
  finding->requirement.approval = (approval){copies, roles_length, count, within_minutes != 0, within_minutes};
  return finding;
}

pc_obligation *pc_oblige(const char *kind) {
  pc_obligation *obligation = take(sizeof *obligation);
  *obligation = (pc_obligation){pc_text(kind), pc_text("{}")};
  *(pc_obligation **)add(&obligations, sizeof obligation) = obligation;
  return obligation;
}

static char *put_quoted(char *out, pc_string text) {
  *out++ = '"';
  for (size_t n = 0; n < text.length; n++) {
    unsigned char c = (unsigned char)text.data[n];
    if (c < 0x20) {
      out += sprintf(out, "\\u%04x", c);
      continue;
    }
    if (c == '"' || c == '\\') *out++ = '\\';
    *out++ = (char)c;
  }
  *out++ = '"';
  return out;
}

pc_obligation *pc_param(pc_obligation *obligation, const char *name, pc_string value) {
  pc_string before = obligation->params;
  char *params = take(before.length + (strlen(name) + value.length) * 6 + 8), *out = params;
  memcpy(out, before.data, before.length - 1);
  out += before.length - 1;
  if (before.length > 2) *out++ = ',';
  out = put_quoted(out, pc_text(name));
  *out++ = ':';
  out = put_quoted(out, value);
  *out++ = '}';
  obligation->params = (pc_string){params, (size_t)(out - params)};
  return obligation;
}

void pc_abstain(void) { abstains = true; }

void pc_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (!failure.data) failure = formatted(format, arguments);
  va_end(arguments);
}

// Inputs

static bool is(const pc_value *inputs, size_t input, uint8_t tag, const char *kind) {
  uint8_t found = inputs[input].tag;
  if (found == PC_MISSING || found == PC_NULL) return false;
  if (found != tag) pc_fail("%s is not %s", input < pc_inputs_length ? pc_inputs[input] : "it", kind);
  return found == tag;
}

bool pc_read_text(const pc_value *inputs, size_t input, pc_string *out) {
  if (!is(inputs, input, PC_TEXT, "a string")) return false;
  *out = inputs[input].text;
  return true;
}

bool pc_read_integer(const pc_value *inputs, size_t input, int64_t *out) {
  if (!is(inputs, input, PC_INTEGER, "an integer")) return false;
  *out = inputs[input].integer;
  return true;
}

bool pc_read_number(const pc_value *inputs, size_t input, double *out) {
  if (inputs[input].tag == PC_INTEGER) {
    *out = (double)inputs[input].integer;
    return true;
  }
  if (!is(inputs, input, PC_NUMBER, "a number")) return false;
  *out = inputs[input].number;
  return true;
}

bool pc_read_boolean(const pc_value *inputs, size_t input, bool *out) {
  if (!is(inputs, input, PC_BOOLEAN, "true or false")) return false;
  *out = inputs[input].boolean;
  return true;
}

// Imports

IMPORT("log") void import_log(const char *message, size_t length);
IMPORT("data")
void import_data(const char *document, size_t document_length, const char *pointer, size_t length, pc_value *out);
IMPORT("request") void import_request(const pc_string *pointers, size_t length, void *out);
IMPORT("history")
void import_history(int has_action, const char *action, size_t action_length, int has_type, const char *type,
                    size_t type_length, int has_id, const char *id, size_t id_length, const uint8_t *outcomes,
                    size_t outcomes_length, uint32_t within_minutes, void *out);

void pc_log(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  pc_string message = formatted(format, arguments);
  va_end(arguments);
  import_log(message.data, message.length);
}

pc_value pc_data(const char *document, const char *pointer) {
  pc_value value;
  import_data(document, strlen(document), pointer, strlen(pointer), &value);
  return value;
}

pc_value pc_request(const char *pointer) {
  pc_string pointers[1] = {pc_text(pointer)};
  struct {
    const pc_value *values;
    size_t length;
  } out;
  import_request(pointers, 1, &out);
  return out.length ? out.values[0] : (pc_value){0};
}

#define OPTION(text) (text) != NULL, (text) ? (text)->data : NULL, (text) ? (text)->length : 0

pc_history_answer pc_history(const pc_history_query *query) {
  uint8_t *outcomes = take(query->outcomes_length);
  for (size_t n = 0; n < query->outcomes_length; n++) outcomes[n] = (uint8_t)query->outcomes[n];
  struct {
    uint64_t count;
    uint8_t has_oldest;
    pc_string oldest;
    uint8_t has_latest;
    pc_string latest;
  } out;
  _Static_assert(sizeof out == 32, "the contract's history-answer");
  import_history(OPTION(query->action), OPTION(query->resource_type), OPTION(query->resource_id), outcomes,
                 query->outcomes_length, query->within_minutes, &out);
  pc_history_answer answer = {out.count, pc_text(""), pc_text("")};
  if (out.has_oldest) answer.oldest = out.oldest;
  if (out.has_latest) answer.latest = out.latest;
  return answer;
}

// Exports

static struct {
  uint8_t is_err;
  const void *items;
  size_t length;
} configured;

EXPORT("configure") void *export_configure(const char *settings, size_t length) {
  const pc_json *json = pc_parse((pc_string){settings, length});
  if (json) {
    policy_configure(json);
  } else {
    pc_problem("", "is not JSON");
  }
  configured.is_err = problems.length > 0;
  configured.items = problems.items;
  configured.length = problems.length;
  if (!configured.is_err) {
    pc_string *pointers = take(pc_inputs_length * sizeof *pointers);
    for (size_t n = 0; n < pc_inputs_length; n++) pointers[n] = pc_text(pc_inputs[n]);
    configured.items = pointers;
    configured.length = pc_inputs_length;
  }
  return &configured;
}

static struct {
  uint8_t is_err;
  union {
    struct {
      uint8_t has_findings;
      const pc_finding *findings;
      size_t findings_length;
      const pc_obligation *obligations;
      size_t obligations_length;
    };
    pc_string error;
  };
} answered;
_Static_assert(sizeof answered == 24, "the contract's answer");

EXPORT("evaluate") void *export_evaluate(const pc_value *inputs, size_t length) {
  if (length != pc_inputs_length) pc_fail("%zu values for %zu inputs", length, pc_inputs_length);
  if (!failure.data) policy_evaluate(inputs);
  if (!failure.data && abstains && findings.length) pc_fail("it abstains, and has findings");
  if (failure.data) {
    answered.is_err = 1;
    answered.error = failure;
    return &answered;
  }
  pc_finding *said = take(findings.length * sizeof *said);
  for (size_t n = 0; n < findings.length; n++) said[n] = *((pc_finding **)findings.items)[n];
  pc_obligation *duties = take(obligations.length * sizeof *duties);
  for (size_t n = 0; n < obligations.length; n++) duties[n] = *((pc_obligation **)obligations.items)[n];
  answered.is_err = 0;
  answered.has_findings = !abstains;
  answered.findings = said;
  answered.findings_length = findings.length;
  answered.obligations = duties;
  answered.obligations_length = obligations.length;
  return &answered;
}
