/* The rules over tests/corpus/redact: every planted secret must vanish, next to nothing may vanish from clean
 * text. In a file of secrets lines that begin with "#! " say the kind of what follows or the path that the text has on
 * its host; the marks (guillemets around a secret, a broken bar inside its prefix) are dropped before the text is fed. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/fs.h>
#include <cmocka.h>

#include "redact/redact.h"

#define FILE_MAX (4 * 1024 * 1024)
#define FILES_MAX 200
#define OPEN "\xc2\xab"
#define CLOSE "\xc2\xbb"
#define BAR "\xc2\xa6"
#define MARK_LEN 2
#define NOTE "#! "

#define SECRETS_MIN 400
#define KINDS_MIN 40
#define FORMATS_MIN 12
#define CLEAN_LINES_MIN 30000
#define FALSE_PER_10000_MAX 3

static struct tl_redact_rules *rules;
static struct tl_redactor *redactor;

struct counts {
	unsigned formats, kinds, secrets, missed;
	unsigned long lines, touched;
};

static int open_redactor(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;
	struct tl_redact_sources sources = {.site_dir = NULL};

	if (tl_redact_rules_open(&sources, &rules, &err) < 0 ||
	    tl_redactor_new(rules, &tl_redact_limits_default, &redactor, &err) < 0) {
		fprintf(stderr, "%s\n", tl_err_text(&err));
		return -1;
	}
	return 0;
}

static int close_redactor(void **state TL_UNUSED)
{
	tl_redactor_free(redactor);
	tl_redact_rules_free(rules);
	return 0;
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* ---- planted secrets ------------------------------------------------------------------------ */

struct secret {
	size_t start, end; /* in the text that is fed */
	unsigned line;	   /* of the file */
};

struct planted {
	struct tl_buf text;
	struct secret *secrets;
	size_t count;
	char path[256];
	unsigned kinds;
};

static void add_secret(struct planted *planted, size_t start, unsigned line)
{
	planted->secrets =
		reallocarray(planted->secrets, planted->count + 1, sizeof(*planted->secrets));
	assert_non_null(planted->secrets);
	planted->secrets[planted->count++] =
		(struct secret){.start = start, .end = planted->text.len, .line = line};
}

static void read_note(struct planted *planted, const char *note, size_t len)
{
	if (len > 5 && memcmp(note, "path ", 5) == 0)
		snprintf(planted->path, sizeof(planted->path), "%.*s", (int)len - 5, note + 5);
	planted->kinds += len > 5 && memcmp(note, "kind ", 5) == 0;
}

static void read_line(struct planted *planted, const char *at, size_t len, unsigned line)
{
	const char *end = at + len;
	size_t start = 0;

	while (at < end) {
		bool marked = (size_t)(end - at) >= MARK_LEN;

		if (marked && memcmp(at, OPEN, MARK_LEN) == 0) {
			start = planted->text.len;
			at += MARK_LEN;
		} else if (marked && memcmp(at, CLOSE, MARK_LEN) == 0) {
			add_secret(planted, start, line);
			at += MARK_LEN;
		} else if (marked && memcmp(at, BAR, MARK_LEN) == 0) {
			at += MARK_LEN;
		} else {
			tl_buf_append(&planted->text, at++, 1);
		}
	}
}

static void read_planted(struct planted *planted, const char *text, size_t len)
{
	unsigned line = 1;

	for (size_t at = 0; at < len; line++) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t end = newline ? (size_t)(newline - text) + 1 : len;

		if (end - at > strlen(NOTE) && memcmp(text + at, NOTE, strlen(NOTE)) == 0)
			read_note(planted, text + at + strlen(NOTE), end - at - strlen(NOTE) - 1);
		else
			read_line(planted, text + at, end - at, line);
		at = end;
	}
	assert_int_equal(tl_buf_check(&planted->text), 0);
}

static void check_planted(const char *path, const char *name, struct counts *counts)
{
	tl_auto(tl_buf) struct tl_buf file = TL_BUF_INIT(FILE_MAX);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(FILE_MAX);
	struct planted planted = {.text = TL_BUF_INIT(FILE_MAX)};

	assert_int_equal(tl_fs_read_file(AT_FDCWD, path, &file, NULL), 0);
	read_planted(&planted, file.data, file.len);
	tl_redactor_set_path(redactor, *planted.path ? planted.path : NULL);
	assert_int_equal(tl_redact_text(redactor, planted.text.data, planted.text.len, &out, NULL),
			 0);
	for (size_t i = 0; i < planted.count; i++) {
		const struct secret *secret = &planted.secrets[i];
		const char *bytes = planted.text.data + secret->start;
		size_t len = secret->end - secret->start;

		if (memmem(out.data, out.len, bytes, len)) {
			printf("missed %s:%u: %.*s\n", name, secret->line, (int)len, bytes);
			counts->missed++;
		}
	}
	counts->secrets += (unsigned)planted.count;
	counts->kinds += planted.kinds;
	counts->formats++;
	free(planted.secrets);
	tl_buf_clear(&planted.text);
}

/* ---- clean text ----------------------------------------------------------------------------- */

/* Lines stay lines, so what was touched shows by comparing them one by one. */
static void compare_lines(const struct tl_buf *before, const struct tl_buf *after, const char *name,
			  struct counts *counts)
{
	const char *a = before->data, *b = after->data;
	const char *a_end = a + before->len, *b_end = b + after->len;
	unsigned line = 1;

	for (; a < a_end && b < b_end; line++) {
		const char *a_next = memchr(a, '\n', (size_t)(a_end - a));
		const char *b_next = memchr(b, '\n', (size_t)(b_end - b));
		size_t a_len = (size_t)((a_next ? a_next : a_end) - a);
		size_t b_len = (size_t)((b_next ? b_next : b_end) - b);

		if (a_len != b_len || memcmp(a, b, a_len) != 0) {
			printf("touched %s:%u: %.*s\n", name, line,
			       (int)(b_len < 300 ? b_len : 300), b);
			counts->touched++;
		}
		counts->lines++;
		a += a_len + 1;
		b += b_len + 1;
	}
	assert_true(a >= a_end && b >= b_end);
}

static void check_clean(const char *path, const char *name, struct counts *counts)
{
	tl_auto(tl_buf) struct tl_buf file = TL_BUF_INIT(FILE_MAX);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(2 * FILE_MAX);

	assert_int_equal(tl_fs_read_file(AT_FDCWD, path, &file, NULL), 0);
	tl_redactor_set_path(redactor, NULL);
	assert_int_equal(tl_redact_text(redactor, file.data, file.len, &out, NULL), 0);
	compare_lines(&file, &out, name, counts);
}

static void each_file(const char *directory,
		      void (*check)(const char *path, const char *name, struct counts *),
		      struct counts *counts)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_file, alphasort);

	assert_in_range(count, 1, FILES_MAX);
	for (int i = 0; i < count; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		check(path, entries[i]->d_name, counts);
		free(entries[i]);
	}
	free(entries);
}

static void every_planted_secret_vanishes(void **state TL_UNUSED)
{
	struct counts counts = {.formats = 0};

	each_file(TOWLINE_CORPUS "/secrets", check_planted, &counts);
	printf("recall: %u of %u secrets of %u kinds in %u formats\n",
	       counts.secrets - counts.missed, counts.secrets, counts.kinds, counts.formats);
	assert_int_equal(counts.missed, 0);
	assert_true(counts.secrets >= SECRETS_MIN);
	assert_true(counts.kinds >= KINDS_MIN);
	assert_true(counts.formats >= FORMATS_MIN);
}

static void clean_text_stays_as_it_is(void **state TL_UNUSED)
{
	struct counts counts = {.formats = 0};

	each_file(TOWLINE_CORPUS "/clean", check_clean, &counts);
	printf("false redactions: %lu in %lu clean lines\n", counts.touched, counts.lines);
	assert_true(counts.lines >= CLEAN_LINES_MIN);
	assert_true(counts.touched * 10000 <= FALSE_PER_10000_MAX * counts.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_planted_secret_vanishes),
		cmocka_unit_test(clean_text_stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, open_redactor, close_redactor);
}
