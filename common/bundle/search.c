/* Texts in members, and one member by itself. Part of towline/bundle_inspect.h. */
#include <towline/bundle_inspect.h>

#include <errno.h>
#include <regex.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/str.h>

#define LINE_MAX_BYTES (64 * 1024)
#define ALIKE_MAX 3

struct search {
	const struct tl_bundle_search *what;
	regex_t regex;
	FILE *out;
	char path[TL_BUNDLE_PATH_MAX];
	uint64_t line, found;
	struct tl_buf text; /* the line in hand, as far as it is looked at */
	bool cut;
};

static int rewind_bundle(int fd, struct tl_err *err)
{
	return lseek(fd, 0, SEEK_SET) == 0
		       ? 0
		       : tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read again");
}

static bool matches(const struct search *search)
{
	if (search->what->is_regex)
		return regexec(&search->regex, tl_buf_str(&search->text), 0, NULL, 0) == 0;
	return memmem(tl_buf_str(&search->text), search->text.len, search->what->text,
		      strlen(search->what->text)) != NULL;
}

static void print_line(const struct search *search)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(LINE_MAX_BYTES * 4 + 1);
	tl_json *json = NULL;

	tl_str_printable(&clean, tl_buf_str(&search->text), search->text.len);
	if (!search->what->json) {
		fprintf(search->out, "%s:%llu: %s\n", search->path,
			(unsigned long long)search->line, tl_buf_str(&clean));
		return;
	}
	json = json_pack("{s:s, s:I, s:s}", "file", search->path, "line", (json_int_t)search->line,
			 "text", tl_buf_str(&clean));
	json_dumpf(json, search->out, JSON_COMPACT | JSON_SORT_KEYS);
	fputc('\n', search->out);
}

static void end_line(struct search *search)
{
	search->line++;
	if (matches(search)) {
		search->found++;
		if (search->what->max == 0 || search->found <= search->what->max)
			print_line(search);
	}
	tl_buf_reset(&search->text);
}

static void take_part(struct search *search, const char *bytes, size_t len)
{
	size_t room = LINE_MAX_BYTES - search->text.len;

	tl_buf_append(&search->text, bytes, len < room ? len : room);
}

static int on_member(void *arg, const struct tl_bundle_member *member, struct tl_err *err)
{
	struct search *search = arg;

	(void)err;
	snprintf(search->path, sizeof search->path, "%s", member->path);
	search->line = 0;
	return 0;
}

static int on_data(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct search *search = arg;
	const char *at = bytes;

	(void)err;
	if (!at) {
		if (search->text.len > 0)
			end_line(search);
		return 0;
	}
	while (len > 0) {
		const char *end = memchr(at, '\n', len);
		size_t part = end ? (size_t)(end - at) : len;

		take_part(search, at, part);
		if (end)
			end_line(search);
		part += end ? 1 : 0;
		at += part;
		len -= part;
	}
	return 0;
}

static int compile(struct search *search, struct tl_err *err)
{
	char reason[160];
	int code = regcomp(&search->regex, search->what->text, REG_EXTENDED | REG_NOSUB);

	if (code == 0)
		return 0;
	regerror(code, &search->regex, reason, sizeof reason);
	return tl_err_set(err, TL_EINVAL, "the expression \"%.80s\" is not valid: %s",
			  search->what->text, reason);
}

int tl_bundle_search(int fd, const struct tl_bundle_search *what, FILE *out, uint64_t *ret_found,
		     struct tl_err *err)
{
	tl_free struct search *search = calloc(1, sizeof *search);
	struct tl_bundle_visitor visitor = {on_member, on_data, search};
	int r;

	if (!search)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the search");
	search->what = what;
	search->out = out;
	tl_buf_init(&search->text, LINE_MAX_BYTES);
	r = what->is_regex ? compile(search, err) : 0;
	if (r < 0)
		return r;
	r = rewind_bundle(fd, err);
	if (r == 0)
		r = tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, err);
	if (r == 0)
		*ret_found = search->found;
	if (what->is_regex)
		regfree(&search->regex);
	tl_buf_clear(&search->text);
	return r;
}

/* ---- one member ------------------------------------------------------------------------------- */

struct show {
	const char *path;
	FILE *out;
	bool is_terminal, here, found;
	struct tl_buf *alike;
	size_t alike_count;
};

static int show_member(void *arg, const struct tl_bundle_member *member, struct tl_err *err)
{
	struct show *show = arg;

	(void)err;
	show->here = tl_streq(member->path, show->path);
	show->found |= show->here;
	if (!show->here && strstr(member->path, show->path) && show->alike_count++ < ALIKE_MAX)
		tl_buf_printf(show->alike, "%s%s", show->alike->len ? ", " : "", member->path);
	return 0;
}

static void print_safely(FILE *out, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *end = memchr(bytes, '\n', len < 16384 ? len : 16384);
		size_t part = end ? (size_t)(end - bytes) : len < 16384 ? len : 16384;
		tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(16384 * 4 + 1);

		tl_str_printable(&clean, bytes, part);
		fputs(tl_buf_str(&clean), out);
		if (end)
			fputc('\n', out);
		part += end ? 1 : 0;
		bytes += part;
		len -= part;
	}
}

static int show_data(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	const struct show *show = arg;

	if (!show->here || !bytes)
		return 0;
	if (show->is_terminal)
		print_safely(show->out, bytes, len);
	else if (fwrite(bytes, 1, len, show->out) != len)
		return tl_err_sys(err, TL_EIO, errno, "the member cannot be printed");
	return 0;
}

int tl_bundle_show(int fd, const char *path, FILE *out, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf alike = TL_BUF_INIT(ALIKE_MAX * (TL_BUNDLE_PATH_MAX + 2));
	struct show show = {.path = path,
			    .out = out,
			    .is_terminal = isatty(fileno(out)) == 1,
			    .alike = &alike};
	struct tl_bundle_visitor visitor = {show_member, show_data, &show};
	int r = rewind_bundle(fd, err);

	if (r == 0)
		r = tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, err);
	if (r < 0 || show.found)
		return r;
	return tl_err_set(err, TL_ENOENT, "the bundle has no member %.100s%s%.160s", path,
			  alike.len ? "; it has " : "", tl_buf_str(&alike));
}
