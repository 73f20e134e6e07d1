#include <string.h>
#include <towline/str.h>

#include "health/print.h"

/* A metric's name carries its base unit (prometheus.io/docs/practices/naming). */
static const char *suffix_of(const struct tl_health_kind *kind)
{
	static const struct {
		const char *unit, *suffix;
	} suffixes[] = {
		{"By", "_bytes"},    {"By/s", "_bytes_per_second"}, {"s", "_seconds"},
		{"Cel", "_celsius"}, {"/s", "_per_second"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(suffixes); i++)
		if (tl_streq(suffixes[i].unit, kind->unit))
			return suffixes[i].suffix;
	if (tl_streq(kind->unit, "%") && !tl_str_ends(kind->name, "_percent"))
		return "_percent";
	return "";
}

/* Backslash, quote and newline, in a label's value. */
static void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
}

static void print_label(FILE *out, const char *name, const char *value, bool is_first)
{
	fprintf(out, "%s%s=\"", is_first ? "" : ",", name);
	print_escaped(out, value);
	fputc('"', out);
}

static void print_number(FILE *out, const json_t *value)
{
	if (json_is_integer(value))
		fprintf(out, " %lld\n", (long long)json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, " %.10g\n", json_real_value(value));
	else
		fprintf(out, " %d\n", json_is_false(value) ? 0 : 1);
}

static void print_sample(FILE *out, const struct tl_health_kind *kind, const json_t *fact)
{
	const json_t *value = json_object_get(fact, "value");
	const char *subject = json_string_value(json_object_get(fact, "subject"));
	bool is_first = true;

	if (json_is_null(value))
		return;
	fprintf(out, "towline_%s%s%s", kind->name, suffix_of(kind),
		kind->type == TL_HEALTH_COUNTER ? "_total" : "");
	if (subject || json_is_string(value)) {
		fputc('{', out);
		if (subject)
			print_label(out, "subject", subject, is_first);
		if (json_is_string(value))
			print_label(out, "value", json_string_value(value), !subject);
		fputc('}', out);
	}
	print_number(out, value);
}

static void print_family(FILE *out, const struct tl_health_kind *kind, const json_t *facts)
{
	bool is_begun = false;
	const json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact)
	{
		const char *total = kind->type == TL_HEALTH_COUNTER ? "_total" : "";

		if (!tl_streq(json_string_value(json_object_get(fact, "name")), kind->name))
			continue;
		if (!is_begun) {
			fprintf(out, "# HELP towline_%s%s%s %s\n", kind->name, suffix_of(kind),
				total, kind->label);
			fprintf(out, "# TYPE towline_%s%s%s %s\n", kind->name, suffix_of(kind),
				total, kind->type == TL_HEALTH_COUNTER ? "counter" : "gauge");
			is_begun = true;
		}
		print_sample(out, kind, fact);
	}
}

static int verdict_number(const json_t *object)
{
	switch (tl_health_verdict_of(object)) {
	case TL_HEALTH_WARNING:
		return 1;
	case TL_HEALTH_CRITICAL:
		return 2;
	case TL_HEALTH_UNKNOWN:
		return 3;
	default:
		return 0;
	}
}

static void print_verdicts(FILE *out, const json_t *snapshot)
{
	const json_t *facts = json_object_get(snapshot, "facts");
	const json_t *fact;
	size_t i;

	fprintf(out,
		"# HELP towline_health_verdict The worst verdict: 0 ok, 1 warning, 2 "
		"critical, 3 unknown\n# TYPE towline_health_verdict gauge\n"
		"towline_health_verdict %d\n",
		verdict_number(snapshot));
	fprintf(out,
		"# HELP towline_fact_verdict Verdict of a fact: 0 ok, 1 warning, 2 critical, 3 "
		"unknown\n# TYPE towline_fact_verdict gauge\n");
	json_array_foreach(facts, i, fact)
	{
		const char *subject = json_string_value(json_object_get(fact, "subject"));

		if (tl_health_verdict_of(fact) == TL_HEALTH_NONE)
			continue;
		fprintf(out, "towline_fact_verdict{");
		print_label(out, "fact", json_string_value(json_object_get(fact, "name")), true);
		if (subject)
			print_label(out, "subject", subject, false);
		fprintf(out, "} %d\n", verdict_number(fact));
	}
}

void health_print_prometheus(FILE *out, const json_t *snapshot)
{
	const json_t *facts = json_object_get(snapshot, "facts");

	for (size_t i = 0; i < tl_health_kind_count; i++)
		print_family(out, &tl_health_kinds[i], facts);
	print_verdicts(out, snapshot);
}
