#include <string.h>
#include <towline/str.h>
#include <towline/unit.h>

#include "health/print.h"

#define SUBJECT_WIDTH_MAX 44

static const char *member(const json_t *fact, const char *name)
{
	const char *text = json_string_value(json_object_get(fact, name));

	return text ? text : "";
}

void health_fact_text(const json_t *fact, char *text, size_t room)
{
	const json_t *value = json_object_get(fact, "value");
	char number[TL_UNIT_TEXT];

	if (json_is_number(value)) {
		tl_unit_text(member(fact, "unit"), json_number_value(value), number);
		snprintf(text, room, "%s", number);
	} else if (json_is_boolean(value)) {
		snprintf(text, room, "%s", json_is_true(value) ? "yes" : "no");
	} else {
		snprintf(text, room, "%s",
			 json_is_string(value) ? json_string_value(value) : "unknown");
	}
}

static const char *label_of(const json_t *fact)
{
	const struct tl_health_kind *kind = tl_health_kind(member(fact, "name"));

	return kind ? kind->label : member(fact, "name");
}

/* Columns on a terminal, not bytes. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xC0) != 0x80;
	return width;
}

static void print_cell(FILE *out, const char *text, int width)
{
	fprintf(out, "%s%*s", text, width > width_of(text) ? width - width_of(text) : 0, "");
}

static void measure(const json_t *facts, int *ret_label, int *ret_subject)
{
	const json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact)
	{
		int label = width_of(label_of(fact)), subject = width_of(member(fact, "subject"));

		*ret_label = label > *ret_label ? label : *ret_label;
		*ret_subject = subject > *ret_subject ? subject : *ret_subject;
	}
	if (*ret_subject > SUBJECT_WIDTH_MAX)
		*ret_subject = SUBJECT_WIDTH_MAX;
}

static void print_fact(FILE *out, const json_t *fact, int label_width, int subject_width)
{
	char value[TL_HEALTH_TEXT_MAX + 1];

	health_fact_text(fact, value, sizeof value);
	print_cell(out, member(fact, "verdict")[0] ? member(fact, "verdict") : "-", 10);
	print_cell(out, label_of(fact), label_width + 2);
	print_cell(out, member(fact, "subject"), subject_width + 2);
	if (member(fact, "text")[0])
		fprintf(out, "%s (%s)\n", value, member(fact, "text"));
	else
		fprintf(out, "%s\n", value);
}

void health_print_table(FILE *out, const json_t *snapshot)
{
	static const enum tl_health_verdict order[] = {TL_HEALTH_CRITICAL, TL_HEALTH_WARNING,
						       TL_HEALTH_UNKNOWN, TL_HEALTH_OK,
						       TL_HEALTH_NONE};
	const json_t *facts = json_object_get(snapshot, "facts");
	const json_t *fact;
	int label_width = 4, subject_width = 2;
	size_t i;

	measure(facts, &label_width, &subject_width);
	fprintf(out, "This machine is %s at %s.\n\n", member(snapshot, "verdict"),
		member(snapshot, "taken"));
	print_cell(out, "VERDICT", 10);
	print_cell(out, "FACT", label_width + 2);
	print_cell(out, "OF", subject_width + 2);
	fprintf(out, "VALUE\n");
	for (size_t o = 0; o < TL_ARRAY_LEN(order); o++)
		json_array_foreach(facts, i, fact)
		{
			if (tl_health_verdict_of(fact) == order[o])
				print_fact(out, fact, label_width, subject_width);
		}
}
