#include "helper/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <towline/fs.h>
#include <towline/json.h>

#define FILE_NAME "roster.json"
#define FILE_BYTES_MAX (2 * TL_ROSTER_MAX + 2 * TL_SSHSIG_MAX) /* quotes and newlines are escaped */

struct file_members {
	const char *roster, *signature;
};

static const struct tl_json_member file_members[] = {
	{"roster", TL_JSON_TEXT, true, offsetof(struct file_members, roster), 0, TL_ROSTER_MAX},
	{"signature", TL_JSON_TEXT, true, offsetof(struct file_members, signature), 0,
	 TL_SSHSIG_MAX},
};

static int keep(struct tl_roster_book *book, const char *text, const char *signature,
		struct tl_err *err)
{
	char *new_text = strdup(text), *new_signature = strdup(signature);

	if (!new_text || !new_signature) {
		free(new_text);
		free(new_signature);
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	free(book->text);
	free(book->signature);
	book->text = new_text;
	book->signature = new_signature;
	return 0;
}

int tl_roster_book_open(int state_fd, struct tl_roster_book *ret_book, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(FILE_BYTES_MAX);
	struct file_members read = {.roster = NULL};
	tl_json *json = NULL;
	int rc = tl_fs_read_file(state_fd, FILE_NAME, &text, err);

	*ret_book = (struct tl_roster_book){.state_fd = state_fd};
	if (rc == TL_ENOENT)
		return 0;
	if (rc == 0)
		rc = tl_json_parse(tl_buf_str(&text), text.len, &json, err);
	if (rc == 0)
		rc = tl_json_read(json, file_members, TL_ARRAY_LEN(file_members), &read, err);
	if (rc != 0)
		return tl_err_prefix(err, FILE_NAME);
	return keep(ret_book, read.roster, read.signature, err);
}

static int need_pin(const char *pinned, struct tl_err *err)
{
	if (pinned[0])
		return 0;
	return tl_err_set(err, TL_EDENIED,
			  "no key of a roster is pinned on this machine: name it in the policy "
			  "(sessions.roster_key), or enrol with a token that has it");
}

/* What is kept, judged by `pinned`; one of another key is as none. */
static int load(struct tl_roster_book *book, const char *pinned, struct tl_err *err)
{
	struct tl_roster roster = {.version = 0};
	int rc = need_pin(pinned, err);

	if (rc != 0 || strcmp(book->pin, pinned) == 0)
		return rc;
	if (!book->text)
		return tl_err_set(err, TL_EDENIED,
				  "this machine has no roster of engineers yet: publish one at the "
				  "relay");
	rc = tl_roster_verify(book->text, strlen(book->text), book->signature, pinned, &roster,
			      err);
	if (rc != 0)
		return rc;
	tl_roster_clear(&book->roster);
	book->roster = roster;
	snprintf(book->pin, sizeof(book->pin), "%s", pinned);
	return 0;
}

static int save(const struct tl_roster_book *book, const char *text, const char *signature,
		struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(FILE_BYTES_MAX);
	tl_json *json = json_pack("{s:s, s:s}", "roster", text, "signature", signature);
	int rc;

	tl_json_write(&out, json);
	rc = tl_buf_check(&out);
	if (rc == 0)
		rc = tl_fs_write_file(book->state_fd, FILE_NAME, 0600, out.data, out.len, err);
	return rc == 0 ? 0 : tl_err_prefix(err, "the roster cannot be kept");
}

/* 0: new; TL_EEXIST: the very one that is kept. */
static int compare(const struct tl_roster_book *book, const struct tl_roster *roster,
		   const char *text, struct tl_err *err)
{
	if (roster->version > book->roster.version)
		return 0;
	if (roster->version < book->roster.version)
		return tl_err_set(err, TL_EDENIED,
				  "the roster's version %lld is older than %lld, which is known "
				  "here: somebody rolls it back",
				  (long long)roster->version, (long long)book->roster.version);
	return strcmp(text, book->text) == 0
		       ? TL_EEXIST
		       : tl_err_set(err, TL_ECONFLICT,
				    "there are two different rosters of version %lld",
				    (long long)roster->version);
}

int tl_roster_book_take(struct tl_roster_book *book, const char *pinned, const char *text,
			const char *signature, struct tl_err *err)
{
	tl_auto(tl_roster) struct tl_roster roster = {.version = 0};
	int rc = need_pin(pinned, err);

	if (rc == 0)
		rc = tl_roster_verify(text, strlen(text), signature, pinned, &roster, err);
	if (rc != 0)
		return rc;
	if (load(book, pinned, NULL) == 0) {
		rc = compare(book, &roster, text, err);
		if (rc != 0)
			return rc == TL_EEXIST ? 0 : rc;
	}
	rc = save(book, text, signature, err);
	if (rc == 0)
		rc = keep(book, text, signature, err);
	if (rc != 0)
		return rc;
	tl_roster_clear(&book->roster);
	book->roster = roster;
	roster = (struct tl_roster){.version = 0};
	snprintf(book->pin, sizeof(book->pin), "%s", pinned);
	return 0;
}

int tl_roster_book_now(struct tl_roster_book *book, const char *pinned,
		       const struct tl_clock *clock, const struct tl_roster **ret_roster,
		       struct tl_err *err)
{
	int rc = load(book, pinned, err);

	if (rc == 0)
		rc = tl_roster_check_time(&book->roster, clock, err);
	if (rc == 0)
		*ret_roster = &book->roster;
	return rc;
}

void tl_roster_book_clear(struct tl_roster_book *book)
{
	free(book->text);
	free(book->signature);
	tl_roster_clear(&book->roster);
	*book = (struct tl_roster_book){.state_fd = -1};
}
