#include <ctype.h>
#include <string.h>
#include <towline/str.h>

#include "health/print.h"

static const char *member(const json_t *fact, const char *name)
{
	const char *text = json_string_value(json_object_get(fact, name));

	return text ? text : "";
}

/* '|' begins the performance data, whatever it stands in. */
static void print_text(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc(*text == '|' || *text == '\n' ? '/' : *text, out);
}

static void print_fault(FILE *out, const json_t *fact)
{
	char value[TL_HEALTH_TEXT_MAX + 1];

	health_fact_text(fact, value, sizeof value);
	print_text(out, member(fact, "name"));
	if (member(fact, "subject")[0]) {
		fputc(' ', out);
		print_text(out, member(fact, "subject"));
	}
	fprintf(out, " %s", member(fact, "verdict"));
	if (member(fact, "text")[0]) {
		fprintf(out, " (");
		print_text(out, member(fact, "text"));
		fputc(')', out);
	} else {
		fprintf(out, " (");
		print_text(out, value);
		fputc(')', out);
	}
}

/* The worst first, five of them: the line is read on a telephone. */
static void print_faults(FILE *out, const json_t *facts)
{
	unsigned printed = 0, all = 0;
	const json_t *fact;
	size_t i;

	for (int verdict = TL_HEALTH_CRITICAL; verdict > TL_HEALTH_OK; verdict--)
		json_array_foreach(facts, i, fact)
		{
			if ((int)tl_health_verdict_of(fact) != verdict)
				continue;
			if (all++ >= 5)
				continue;
			fprintf(out, "%s", printed++ ? "; " : "");
			print_fault(out, fact);
		}
	if (all > printed)
		fprintf(out, "; and %u more", all - printed);
	if (all == 0)
		fprintf(out, "%zu fact%s", json_array_size(facts),
			json_array_size(facts) == 1 ? "" : "s");
}

/* 'label'=value[UOM]. A quote in a label is doubled; = is not allowed. */
static void print_data(FILE *out, const struct tl_health_kind *kind, const json_t *fact)
{
	const json_t *value = json_object_get(fact, "value");
	const char *unit = tl_streq(kind->unit, "By")				    ? "B"
			   : tl_streq(kind->unit, "s") || tl_streq(kind->unit, "%") ? kind->unit
			   : kind->type == TL_HEALTH_COUNTER			    ? "c"
										    : "";

	fprintf(out, " '%s", kind->name);
	for (const char *c = member(fact, "subject"); *c; c++) {
		if (c == member(fact, "subject"))
			fputc(' ', out);
		if (*c == '\'')
			fputc('\'', out);
		fputc(*c == '=' || *c == '|' || iscntrl((unsigned char)*c) ? '_' : *c, out);
	}
	if (json_is_integer(value))
		fprintf(out, "'=%lld%s", (long long)json_integer_value(value), unit);
	else
		fprintf(out, "'=%.10g%s", json_number_value(value), unit);
}

int health_print_nagios(FILE *out, const json_t *snapshot)
{
	static const struct {
		const char *name;
		int status;
	} states[] = {
		[TL_HEALTH_NONE] = {"OK", 0},		[TL_HEALTH_OK] = {"OK", 0},
		[TL_HEALTH_UNKNOWN] = {"UNKNOWN", 3},	[TL_HEALTH_WARNING] = {"WARNING", 1},
		[TL_HEALTH_CRITICAL] = {"CRITICAL", 2},
	};
	enum tl_health_verdict verdict = tl_health_verdict_of(snapshot);
	const json_t *facts = json_object_get(snapshot, "facts");
	const json_t *fact;
	size_t i;

	if (json_array_size(facts) == 0)
		verdict = TL_HEALTH_UNKNOWN; /* a check of nothing must not look well */
	fprintf(out, "TOWLINE %s - ", states[verdict].name);
	print_faults(out, facts);
	fprintf(out, " |");
	json_array_foreach(facts, i, fact)
	{
		const struct tl_health_kind *kind = tl_health_kind(member(fact, "name"));

		if (kind && json_is_number(json_object_get(fact, "value")))
			print_data(out, kind, fact);
	}
	fputc('\n', out);
	return states[verdict].status;
}
