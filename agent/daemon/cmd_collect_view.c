#include "daemon/cmd_collect.h"

#include <towline/clock.h>
#include <towline/str.h>

#include "daemon/cmd.h"

#define PROBLEMS_SHOWN 8
#define ITEMS_SHOWN 5
#define LINE_MAX_WIDTH 78

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static int64_t number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void print_text(struct collect_view *view, const char *text)
{
	tl_auto(tl_buf) struct tl_buf printable = TL_BUF_INIT(65536);

	tl_str_printable(&printable, text, strlen(text));
	fputs(tl_buf_str(&printable), view->out);
}

static void print_json(struct collect_view *view, json_t *json, const char *event)
{
	json_object_set_new(json, "event", json_string(event));
	json_dumpf(json, view->out, JSON_COMPACT | JSON_SORT_KEYS);
	fputc('\n', view->out);
	fflush(view->out);
}

void collect_view_clear(struct collect_view *view)
{
	if (view->shown)
		fputs("\r\033[K", view->out);
	view->shown = false;
	fflush(view->out);
}

static void show_line(struct collect_view *view, const json_t *progress)
{
	int64_t left_ms = number_of(progress, "left_ms");
	char size[32], left[TL_TIME_TEXT] = "", line[256];
	int len;

	tl_cmd_size(number_of(progress, "bytes"), size);
	if (left_ms > 1500)
		tl_time_span(left_ms, left);
	len = snprintf(line, sizeof(line), "%lld of %lld  %s  %s%s%s",
		       (long long)number_of(progress, "ended"),
		       (long long)number_of(progress, "count"), size, left[0] ? "about " : "", left,
		       left[0] ? " left  " : "");
	if (len < LINE_MAX_WIDTH)
		snprintf(line + len, sizeof(line) - (size_t)len, "%.*s", LINE_MAX_WIDTH - len,
			 view->current);
	fprintf(view->out, "\r\033[K%s", line);
	view->shown = true;
	fflush(view->out);
}

void collect_view_progress(struct collect_view *view, json_t *progress)
{
	if (view->json) {
		print_json(view, progress, "progress");
		return;
	}
	if (!view->terminal)
		return;
	if (tl_streq(text_of(progress, "state"), "running")) {
		tl_auto(tl_buf) struct tl_buf printable = TL_BUF_INIT(4096);

		tl_str_printable(&printable, text_of(progress, "summary"),
				 strlen(text_of(progress, "summary")));
		snprintf(view->current, sizeof(view->current), "%.190s", tl_buf_str(&printable));
	}
	show_line(view, progress);
}

/* "password 3, cookie 1" */
static void show_redactions(struct collect_view *view, json_t *redactions)
{
	const char *rule, *separator = "";
	int64_t total = 0;
	json_t *count;

	json_object_foreach(redactions, rule, count) total += json_integer_value(count);
	if (json_object_get(redactions, "off")) {
		fprintf(view->out,
			"Nothing was removed from it (--level off): passwords and keys are "
			"in it as they are.\n");
		return;
	}
	if (total == 0) {
		fprintf(view->out, "Nothing had to be removed from it.\n");
		return;
	}
	fprintf(view->out, "Removed or replaced before anything was written: %lld (",
		(long long)total);
	json_object_foreach(redactions, rule, count)
	{
		fputs(separator, view->out);
		print_text(view, rule);
		fprintf(view->out, " %lld", (long long)json_integer_value(count));
		separator = ", ";
	}
	fputs(").\n", view->out);
}

static void show_problem(struct collect_view *view, const json_t *problem)
{
	fputs("  ", view->out);
	print_text(view, text_of(problem, "kind"));
	fputs("  ", view->out);
	print_text(view, text_of(problem, "collector"));
	fputs(": ", view->out);
	print_text(view, text_of(problem, "source"));
	fputs(": ", view->out);
	print_text(view, text_of(problem, "text"));
	fputc('\n', view->out);
}

static void show_problems(struct collect_view *view, const json_t *result)
{
	const json_t *problems = json_object_get(result, "problems");
	int64_t count = number_of(result, "errors");
	size_t i;
	const json_t *problem;

	if (count == 0) {
		fprintf(view->out, "Everything that was asked for could be had.\n");
		return;
	}
	fprintf(view->out, "%lld thing%s could not be had, or not wholly (errors.jsonl has all):\n",
		(long long)count, count == 1 ? "" : "s");
	json_array_foreach(problems, i, problem)
	{
		if (i == PROBLEMS_SHOWN)
			break;
		show_problem(view, problem);
	}
}

static void show_findings(struct collect_view *view, const json_t *result)
{
	const json_t *findings = json_object_get(result, "findings");
	const char *severity;
	json_t *count;
	const char *separator = "";

	if (!findings)
		return;
	fputs("Findings: ", view->out);
	if (json_object_size(findings) == 0)
		fputs("none", view->out);
	json_object_foreach((json_t *)(uintptr_t)findings, severity, count)
	{
		fprintf(view->out, "%s%lld ", separator, (long long)json_integer_value(count));
		print_text(view, severity);
		separator = ", ";
	}
	fputs(".\n", view->out);
}

void collect_view_result(struct collect_view *view, json_t *result, const char *file, int64_t ms)
{
	char size[32], span[TL_TIME_TEXT];

	collect_view_clear(view);
	if (view->json) {
		if (file)
			json_object_set_new(result, "file", json_string(file));
		json_object_set_new(result, "ms", json_integer(ms));
		print_json(view, result, "result");
		return;
	}
	tl_cmd_size(number_of(result, "size"), size);
	snprintf(span, sizeof(span), "%lld.%lld s", (long long)(ms / 1000),
		 (long long)(ms / 100 % 10));
	print_text(view, file ? file : "The bundle");
	fprintf(view->out, ": %zu files, %s packed, in %s.\n",
		json_array_size(json_object_get(result, "files")), size, span);
	show_redactions(view, json_object_get(result, "redactions"));
	show_problems(view, result);
	show_findings(view, result);
	fprintf(view->out, "SHA-256 %s. Nothing was sent.\n", text_of(result, "sha256"));
}

/* ---- what would be taken ---------------------------------------------------------------------- */

static void show_items(struct collect_view *view, const json_t *row)
{
	const json_t *items = json_object_get(row, "items");
	int64_t count = number_of(row, "count");
	size_t i;
	const json_t *item;
	char size[32];

	json_array_foreach(items, i, item)
	{
		if (i == ITEMS_SHOWN)
			break;
		tl_cmd_size(number_of(item, "size"), size);
		fprintf(view->out, "  %38s  ",
			json_is_integer(json_object_get(item, "size")) ? size : "");
		print_text(view, text_of(item, "path"));
		fputc('\n', view->out);
	}
	if (count > ITEMS_SHOWN)
		fprintf(view->out, "  %38s  and %lld more\n", "", (long long)count - ITEMS_SHOWN);
}

void collect_view_plan(struct collect_view *view, json_t *result)
{
	const json_t *rows = json_object_get(result, "collectors");
	size_t i;
	const json_t *row;
	char size[32];

	collect_view_clear(view);
	if (view->json) {
		print_json(view, result, "plan");
		return;
	}
	json_array_foreach(rows, i, row)
	{
		tl_cmd_size(number_of(row, "bytes"), size);
		fprintf(view->out, "%-12.12s %-26.26s %10s  ", text_of(row, "group"),
			text_of(row, "collector"), number_of(row, "bytes") ? size : "");
		print_text(view, text_of(row, "what"));
		fputc('\n', view->out);
		show_items(view, row);
	}
	tl_cmd_size(number_of(result, "bytes"), size);
	fprintf(view->out,
		"%zu collectors would run; the files among it have up to %s before redaction and "
		"packing. Nothing was taken.\n",
		json_array_size(rows), size);
}
