/* Changes for people. Part of towline/bundle_diff.h. */
#include <towline/bundle_diff.h>

#include <string.h>
#include <towline/str.h>

#define VALUE_MAX 200

static void print_text(FILE *out, const char *text)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(VALUE_MAX * 4 + 1);

	tl_str_printable(&clean, text, strnlen(text, VALUE_MAX));
	fputs(tl_buf_str(&clean), out);
}

static void print_value(FILE *out, const json_t *value, const char *unit)
{
	tl_free char *text = NULL;

	if (!value || json_is_null(value)) {
		fputs("nothing", out);
		return;
	}
	if (json_is_real(value))
		fprintf(out, "%g", json_real_value(value));
	else if (json_is_string(value))
		print_text(out, json_string_value(value));
	else
		text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	if (text)
		print_text(out, text);
	if (unit && strcmp(unit, "1") != 0) {
		fputc(' ', out);
		print_text(out, unit);
	}
}

static const char *text_of(const json_t *change, const char *member)
{
	return json_string_value(json_object_get(change, member));
}

static void print_verdicts(const json_t *change, FILE *out)
{
	const char *was = text_of(change, "verdict_before"), *is = text_of(change, "verdict_after");

	if (!was && !is)
		return;
	fputs("  (", out);
	print_text(out, was ? was : "none");
	fputs(" → ", out);
	print_text(out, is ? is : "none");
	fputc(')', out);
}

static void print_sides(const json_t *change, FILE *out)
{
	const json_t *before = json_object_get(change, "before");
	const json_t *after = json_object_get(change, "after");
	const char *unit = text_of(change, "unit"), *kind = text_of(change, "kind");

	if (tl_streq(kind, "changed")) {
		fputs(": ", out);
		print_value(out, before, unit);
		fputs(" → ", out);
		print_value(out, after, unit);
	} else if (before || after) {
		fputs("  ", out);
		print_value(out, before ? before : after, unit);
	}
}

static const char *sign_of(const json_t *change)
{
	static const struct {
		const char *kind, *sign;
	} signs[] = {{"added", "+"}, {"removed", "-"}, {"changed", "~"}};

	for (size_t i = 0; i < TL_ARRAY_LEN(signs); i++)
		if (tl_streq(text_of(change, "kind"), signs[i].kind))
			return signs[i].sign;
	return "?";
}

static void print_change(const json_t *change, FILE *out)
{
	const char *member = text_of(change, "member"), *direction = text_of(change, "direction");
	const char *text = text_of(change, "text"), *key = text_of(change, "key");

	fprintf(out, "  %s ", sign_of(change));
	print_text(out, key ? key : "");
	if (member) {
		fputc(' ', out);
		print_text(out, member);
	}
	print_sides(change, out);
	print_verdicts(change, out);
	if (direction)
		fprintf(out, "  %.20s", direction);
	if (text) {
		print_text(out, text);
		fprintf(out, " (%lld)",
			(long long)json_integer_value(json_object_get(change, "count")));
	}
	fputc('\n', out);
}

static const struct {
	const char *title;
	const char *member, *value; /* what a change of this part has */
} parts[] = {
	{"Worse", "direction", "worse"},
	{"Better", "direction", "better"},
	{NULL, NULL, NULL}, /* the rest, by matter */
	{"Unknown: not collected on one side, which says nothing", "kind", "unknown"},
};

static bool is_rest(const json_t *change)
{
	const char *direction = text_of(change, "direction");

	return !tl_streq(text_of(change, "kind"), "unknown") && !tl_streq(direction, "worse") &&
	       !tl_streq(direction, "better");
}

static void print_part(const json_t *changes, size_t part, FILE *out)
{
	const char *title = NULL;

	for (size_t i = 0; i < json_array_size(changes); i++) {
		const json_t *change = json_array_get(changes, i);
		const char *matter = text_of(change, "matter");
		bool is_titled = parts[part].title != NULL;

		if (is_titled ? !tl_streq(text_of(change, parts[part].member), parts[part].value)
			      : !is_rest(change))
			continue;
		if (!title || (!is_titled && !tl_streq(title, matter))) {
			title = is_titled ? parts[part].title : matter;
			print_text(out, title);
			fputc('\n', out);
		}
		if (tl_streq(text_of(change, "key"), "")) {
			fputs("    ", out);
			print_text(out, matter);
		}
		print_change(change, out);
	}
}

void tl_changes_print(const json_t *changes, FILE *out)
{
	for (size_t part = 0; part < TL_ARRAY_LEN(parts); part++)
		print_part(changes, part, out);
	if (!tl_changes_differ(changes))
		fputs("No change.\n", out);
}
