/* Looking for the rules' lines in one member after the other. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <towline/buf.h>
#include <towline/bundle.h>
#include <towline/str.h>

#include "analyze/rule.h"

#define WINDOW_BYTES (128 * 1024)
#define LINE_BYTES (8 * 1024) /* of a longer line the beginning is looked at */
#define EVIDENCE_MAX 5 /* lines shown for a condition in one member: the first and the last */
#define EVIDENCE_BYTES 500
#define VALUES_MAX 64 /* of a condition with "same" */
#define VALUE_BYTES 128
#define MATCH_LIMIT 100000

/* What one condition has found in the member at hand. */
struct find {
	bool looks; /* at this member */
	uint64_t count, last_line;
	json_t *values;	  /* value of the group → count; NULL without "same" */
	json_t *evidence; /* array; NULL before the first */
};

struct tl_analysis {
	const struct tl_analysis_rules *rules;
	pcre2_match_data *data;
	pcre2_match_context *context;
	struct find *finds; /* one for each condition */
	char path[TL_BUNDLE_PATH_MAX];
	bool looks;	    /* any condition does */
	bool skips;	    /* the rest of a line that was too long */
	struct tl_buf held; /* lines that are not looked at yet */
	/* the window that is being scanned */
	const char *text, *counted; /* up to here newlines are counted */
	size_t len;
	uint64_t line; /* number of the line that begins at `counted` or before it */
};

int tl_analysis_new(struct tl_analysis_rules *rules, struct tl_analysis **ret_analysis,
		    struct tl_err *err)
{
	tl_auto(tl_analysis) struct tl_analysis *analysis = calloc(1, sizeof *analysis);

	if (!analysis)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the analyzers");
	analysis->rules = rules;
	analysis->finds = calloc(rules->condition_count + 1, sizeof *analysis->finds);
	analysis->data = pcre2_match_data_create(16, NULL);
	analysis->context = pcre2_match_context_create(NULL);
	tl_buf_init(&analysis->held, WINDOW_BYTES);
	if (!analysis->finds || !analysis->data || !analysis->context)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the analyzers");
	pcre2_set_match_limit(analysis->context, MATCH_LIMIT);
	*ret_analysis = tl_steal(&analysis);
	return 0;
}

static void clear_finds(struct tl_analysis *analysis)
{
	for (size_t i = 0; i < analysis->rules->condition_count; i++) {
		json_decref(analysis->finds[i].values);
		json_decref(analysis->finds[i].evidence);
		analysis->finds[i] = (struct find){.looks = false};
	}
}

void tl_analysis_free(struct tl_analysis *analysis)
{
	if (!analysis)
		return;
	if (analysis->finds)
		clear_finds(analysis);
	pcre2_match_data_free(analysis->data);
	pcre2_match_context_free(analysis->context);
	tl_buf_clear(&analysis->held);
	free(analysis->finds);
	free(analysis);
}

static bool fits(const char *glob, const char *path)
{
	const struct file_set *set = *glob == '@' ? file_set_find(glob) : NULL;
	const char *const *one = set ? set->globs : NULL;

	if (!set)
		return fnmatch(glob, path, 0) == 0;
	while (*one && fnmatch(*one, path, 0) != 0)
		one++;
	return *one != NULL;
}

static bool looks_at(const struct condition *condition, const char *path)
{
	const struct tl_yaml_node *glob =
		condition->kind == CONDITION_LINES ? condition->files->first : NULL;

	while (glob && !fits(glob->text, path))
		glob = glob->next;
	return glob != NULL;
}

void tl_analysis_begin(struct tl_analysis *analysis, const char *path)
{
	clear_finds(analysis);
	tl_buf_reset(&analysis->held);
	snprintf(analysis->path, sizeof analysis->path, "%s", path);
	analysis->looks = analysis->skips = false;
	analysis->line = 1;
	for (size_t i = 0; i < analysis->rules->condition_count; i++) {
		analysis->finds[i].looks = looks_at(&analysis->rules->conditions[i], path);
		analysis->looks |= analysis->finds[i].looks;
	}
}

/* ---- one line ---------------------------------------------------------------------------------- */

/* Of a long line the words that begin it: of half a secret the redactor would know nothing. */
static size_t shown(const char *text, size_t len)
{
	if (len <= EVIDENCE_BYTES)
		return len;
	for (len = EVIDENCE_BYTES; len > 0 && !strchr(" \t,;\"'", text[len]); len--)
		continue;
	return len;
}

/* What a person reads of a line: of an entry of the journal its message. */
static json_t *evidence_text(const struct tl_analysis *analysis, const char *text, size_t len)
{
	tl_auto(tl_buf) struct tl_buf printable = TL_BUF_INIT(EVIDENCE_BYTES * 8);
	tl_json *entry = NULL;
	const json_t *message;

	if (tl_str_starts(analysis->path, "journal/") &&
	    tl_json_parse(text, len, &entry, NULL) == 0) {
		message = json_object_get(entry, "message");
		if (json_is_string(message)) {
			text = json_string_value(message);
			len = json_string_length(message);
		}
	}
	tl_str_printable(&printable, text, shown(text, len));
	return json_string(tl_buf_str(&printable));
}

static void add_evidence(struct tl_analysis *analysis, struct find *find, const char *text,
			 size_t len)
{
	json_t *item;

	if (!find->evidence)
		find->evidence = json_array();
	if (json_array_size(find->evidence) == EVIDENCE_MAX)
		json_array_remove(find->evidence,
				  EVIDENCE_MAX / 2); /* the first stay, and the last */
	item = json_pack("{s:s, s:I, s:o}", "file", analysis->path, "line",
			 (json_int_t)analysis->line, "text", evidence_text(analysis, text, len));
	json_array_append_new(find->evidence, item);
}

/* Counts the value of the group that must be the same. */
static void add_value(struct tl_analysis *analysis, const struct condition *condition,
		      struct find *find, const char *text)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(analysis->data);
	size_t start = at[2 * condition->same_number], end = at[2 * condition->same_number + 1];
	tl_auto(tl_buf) struct tl_buf value = TL_BUF_INIT(VALUE_BYTES * 8);
	json_int_t before;

	if (start == PCRE2_UNSET || start > end)
		return;
	tl_str_printable(&value, text + start,
			 end - start < VALUE_BYTES ? end - start : VALUE_BYTES);
	if (!find->values)
		find->values = json_object();
	before = json_integer_value(json_object_get(find->values, tl_buf_str(&value)));
	if (before == 0 && json_object_size(find->values) == VALUES_MAX)
		return;
	json_object_set_new(find->values, tl_buf_str(&value), json_integer(before + 1));
}

/* Does the condition hold for this line? Counted once, however often the gate names it. */
static void try_line(struct tl_analysis *analysis, size_t index, const char *text, size_t len)
{
	const struct condition *condition = &analysis->rules->conditions[index];
	struct find *find = &analysis->finds[index];

	if (!find->looks || find->last_line == analysis->line)
		return;
	if (pcre2_match(condition->code, (PCRE2_SPTR)text, len, 0, 0, analysis->data,
			analysis->context) < 0)
		return;
	find->last_line = analysis->line;
	find->count++;
	if (condition->same_number)
		add_value(analysis, condition, find, text);
	add_evidence(analysis, find, text, len);
}

/* ---- a window of whole lines ------------------------------------------------------------------- */

static void count_lines(struct tl_analysis *analysis, const char *to)
{
	const char *newline;

	while (analysis->counted < to &&
	       (newline = memchr(analysis->counted, '\n', (size_t)(to - analysis->counted)))) {
		analysis->line++;
		analysis->counted = newline + 1;
	}
}

static int on_hit(void *arg, unsigned id, size_t end)
{
	struct tl_analysis *analysis = arg;
	size_t at = end > 0 ? end - 1 : 0;
	const char *start, *stop, *from = analysis->text + at;

	/* A match may take the newline in that ends its line. */
	if (*from == '\n' && at > 0)
		from--;
	start = memrchr(analysis->text, '\n', (size_t)(from - analysis->text));
	start = start ? start + 1 : analysis->text;
	stop = memchr(start, '\n', (size_t)(analysis->text + analysis->len - start));
	stop = stop ? stop : analysis->text + analysis->len;
	if (start < analysis->counted)
		return 0; /* this line was looked at for this place already, or is an earlier one */
	count_lines(analysis, start);
	try_line(analysis, id, start, (size_t)(stop - start));
	return 0;
}

/* Where the processor cannot run the gate: each line for each condition. */
static void try_each(struct tl_analysis *analysis)
{
	const char *start = analysis->text, *end = analysis->text + analysis->len;

	while (start < end) {
		const char *stop = memchr(start, '\n', (size_t)(end - start));

		stop = stop ? stop : end;
		count_lines(analysis, start);
		for (size_t i = 0; i < analysis->rules->condition_count; i++)
			try_line(analysis, i, start, (size_t)(stop - start));
		start = stop + 1;
	}
}

static int look(struct tl_analysis *analysis, const char *text, size_t len, struct tl_err *err)
{
	int r = 0;

	analysis->text = analysis->counted = text;
	analysis->len = len;
	if (analysis->rules->match)
		r = tl_match_scan(analysis->rules->match, text, len, on_hit, analysis);
	else
		try_each(analysis);
	count_lines(analysis, text + len);
	return r < 0 ? tl_err_set(err, r, "the analyzers failed") : 0;
}

/* Looks at the whole lines that are held; of a line that fills the window the beginning counts. */
static int look_at_held(struct tl_analysis *analysis, struct tl_err *err)
{
	const char *last = memrchr(analysis->held.data, '\n', analysis->held.len);
	size_t len = last ? (size_t)(last - analysis->held.data) + 1 : analysis->held.len;
	int r;

	if (!last) {
		r = look(analysis, analysis->held.data, LINE_BYTES, err);
		analysis->skips = true;
	} else {
		r = look(analysis, analysis->held.data, len, err);
	}
	tl_buf_consume(&analysis->held, len);
	return r;
}

int tl_analysis_feed(struct tl_analysis *analysis, const void *bytes, size_t len,
		     struct tl_err *err)
{
	const char *at = bytes;
	int r = 0;

	while (r == 0 && analysis->looks && len > 0) {
		const char *newline = analysis->skips ? memchr(at, '\n', len) : NULL;
		size_t part = WINDOW_BYTES - analysis->held.len;

		if (analysis->skips && !newline)
			return 0;
		if (newline) {
			analysis->skips = false;
			len -= (size_t)(newline + 1 - at);
			at = newline + 1;
			analysis->line++;
			continue;
		}
		part = part < len ? part : len;
		tl_buf_append(&analysis->held, at, part);
		if (tl_buf_check(&analysis->held) < 0)
			return tl_err_set(err, TL_ENOMEM, "out of memory for the analyzers");
		at += part;
		len -= part;
		if (analysis->held.len == WINDOW_BYTES)
			r = look_at_held(analysis, err);
	}
	return r;
}

/* ---- the notice -------------------------------------------------------------------------------- */

static json_t *describe(const struct tl_analysis *analysis)
{
	json_t *looked = json_array(), *found = json_array();

	for (size_t i = 0; i < analysis->rules->condition_count; i++) {
		const struct find *find = &analysis->finds[i];

		if (!find->looks)
			continue;
		json_array_append_new(looked, json_integer((json_int_t)i));
		if (find->count > 0)
			json_array_append_new(found,
					      json_pack("{s:I, s:I, s:O, s:O*}", "condition",
							(json_int_t)i, "count",
							(json_int_t)find->count, "evidence",
							find->evidence, "values", find->values));
	}
	return json_pack("{s:o, s:o}", "looked", looked, "found", found);
}

int tl_analysis_end(struct tl_analysis *analysis, json_t **ret_notice, struct tl_err *err)
{
	int r = 0;

	*ret_notice = NULL;
	if (!analysis->looks)
		return 0;
	if (analysis->held.len > 0)
		r = look(analysis, analysis->held.data, analysis->held.len, err);
	tl_buf_reset(&analysis->held);
	if (r < 0)
		return r;
	*ret_notice = describe(analysis);
	return *ret_notice ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory for the analyzers");
}
