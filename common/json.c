#include <towline/json.h>

#include <string.h>
#include <towline/id.h>
#include <towline/str.h>

#define TEXT_MAX_DEFAULT 256

/* Finds the deepest nesting without recursion, so that jansson's own recursive descent never sees
 * more than TL_JSON_DEPTH_MAX. Malformed text is left to the parser to refuse. */
static bool is_too_deep(const char *text, size_t len)
{
	bool in_string = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
			continue;
		}
		if (text[i] == '"')
			in_string = true;
		else if ((text[i] == '[' || text[i] == '{') && ++depth > TL_JSON_DEPTH_MAX)
			return true;
		else if ((text[i] == ']' || text[i] == '}') && depth > 0)
			depth--;
	}
	return false;
}

int tl_json_parse(const char *text, size_t len, json_t **ret_json, struct tl_err *err)
{
	json_error_t why;
	const char *near;
	json_t *json;

	if (is_too_deep(text, len))
		return tl_err_set(err, TL_EINVAL, "the JSON is nested deeper than %d levels",
				  TL_JSON_DEPTH_MAX);
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (!json) {
		/* What follows "near" quotes the input, which may hold a secret. */
		near = strstr(why.text, " near '");
		return tl_err_set(err, TL_EINVAL,
				  "the JSON is not valid at line %d, column %d: %.*s",
				  why.line > 0 ? why.line : 1, why.column > 0 ? why.column : 1,
				  near ? (int)(near - why.text) : (int)strlen(why.text), why.text);
	}
	*ret_json = json;
	return 0;
}

static int read_text(const struct tl_json_member *member, const json_t *value, const char **field,
		     struct tl_err *err)
{
	size_t max = member->max ? (size_t)member->max : TEXT_MAX_DEFAULT;
	const char *text;

	if (!json_is_string(value))
		return tl_err_set(err, TL_EINVAL, "member \"%s\" must be a string", member->name);
	text = json_string_value(value);
	if (strlen(text) != json_string_length(value))
		return tl_err_set(err, TL_EINVAL, "member \"%s\" contains a NUL character",
				  member->name);
	if (strlen(text) > max)
		return tl_err_set(err, TL_EINVAL, "member \"%s\" is longer than %zu bytes",
				  member->name, max);
	if (strlen(text) < (size_t)member->min)
		return tl_err_set(err, TL_EINVAL, "member \"%s\" is shorter than %zu bytes",
				  member->name, (size_t)member->min);
	if (member->type == TL_JSON_NAME && !tl_str_is_name(text, max))
		return tl_err_set(err, TL_EINVAL,
				  "member \"%s\" may contain only letters, digits, '.', '_' and "
				  "'-', and must not start with '.' or '-'",
				  member->name);
	if (member->type == TL_JSON_ID && !tl_id_is_valid(text))
		return tl_err_set(err, TL_EINVAL, "member \"%s\" is not an identifier",
				  member->name);
	*field = text;
	return 0;
}

static int read_int(const struct tl_json_member *member, const json_t *value, int64_t *field,
		    struct tl_err *err)
{
	int64_t number;

	if (!json_is_integer(value))
		return tl_err_set(err, TL_EINVAL, "member \"%s\" must be an integer", member->name);
	number = json_integer_value(value);
	if (number < member->min || number > member->max)
		return tl_err_set(err, TL_EINVAL, "member \"%s\" must be from %lld to %lld",
				  member->name, (long long)member->min, (long long)member->max);
	*field = number;
	return 0;
}

/* The struct borrows: its field is a plain pointer, although the object is const here. */
static void lend(const json_t *value, void *field)
{
	memcpy(field, &value, sizeof value);
}

static int read_container(const struct tl_json_member *member, const json_t *value, void *field,
			  struct tl_err *err)
{
	bool is_array = member->type == TL_JSON_ARRAY;

	if (is_array ? !json_is_array(value) : !json_is_object(value))
		return tl_err_set(err, TL_EINVAL, "member \"%s\" must be an %s", member->name,
				  is_array ? "array" : "object");
	if (is_array && json_array_size(value) > (size_t)member->max)
		return tl_err_set(err, TL_EINVAL, "member \"%s\" has more than %lld elements",
				  member->name, (long long)member->max);
	lend(value, field);
	return 0;
}

static int read_member(const struct tl_json_member *member, const json_t *value, void *field,
		       struct tl_err *err)
{
	switch (member->type) {
	case TL_JSON_TEXT:
	case TL_JSON_NAME:
	case TL_JSON_ID:
		return read_text(member, value, field, err);
	case TL_JSON_INT:
		return read_int(member, value, field, err);
	case TL_JSON_BOOL:
		if (!json_is_boolean(value))
			return tl_err_set(err, TL_EINVAL, "member \"%s\" must be true or false",
					  member->name);
		*(bool *)field = json_is_true(value);
		return 0;
	case TL_JSON_ARRAY:
	case TL_JSON_OBJECT:
		break;
	}
	return read_container(member, value, field, err);
}

static bool is_known(const struct tl_json_member *members, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(members[i].name, name) == 0)
			return true;
	return false;
}

int tl_json_read(const json_t *object, const struct tl_json_member *members, size_t count,
		 void *ret_struct, struct tl_err *err)
{
	if (!json_is_object(object))
		return tl_err_set(err, TL_EINVAL, "a JSON object is expected");
	for (void *at = json_object_iter((json_t *)(uintptr_t)object); at;
	     at = json_object_iter_next((json_t *)(uintptr_t)object, at))
		if (!is_known(members, count, json_object_iter_key(at)))
			return tl_err_set(err, TL_EINVAL, "member \"%.64s\" is not known here",
					  json_object_iter_key(at));
	for (size_t i = 0; i < count; i++) {
		const json_t *value = json_object_get(object, members[i].name);
		int outcome;

		if (!value && members[i].required)
			return tl_err_set(err, TL_EINVAL, "member \"%s\" is missing",
					  members[i].name);
		if (!value)
			continue;
		outcome = read_member(&members[i], value, (char *)ret_struct + members[i].offset,
				      err);
		if (outcome)
			return outcome;
	}
	return 0;
}

static int append_piece(const char *bytes, size_t len, void *arg)
{
	struct tl_buf *out = arg;

	tl_buf_append(out, bytes, len);
	return out->failed ? -1 : 0;
}

void tl_json_write(struct tl_buf *out, const json_t *json)
{
	/* 15 digits are what a double surely keeps; with 17 there, 0.1 would be 0.10000000000000001. */
	if (json_dump_callback(json, append_piece, out,
			       JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY |
				       JSON_REAL_PRECISION(15)) < 0)
		out->failed = true;
}
