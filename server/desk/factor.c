#include "desk/factor.h"

#include <ctype.h>
#include <stdio.h>
#include <towline/id.h>

#include "desk/people.h"
#include "desk/totp.h"

#define RECOVERY_BYTES 10 /* 80 bits: 16 characters */
#define RECOVERY_TEXT 20  /* in four groups, with the terminator */
#define CODE_MAX 64

static int tell(struct tl_change *change, const char *action, const char *login, struct tl_err *err)
{
	return tl_change_tell(
		change, &(struct tl_fact){.action = action, .object_kind = "user", .object = login},
		err);
}

/* ---- enrolment --------------------------------------------------------------------------------- */

int tl_factor_begin(struct tl_change *change, const struct tl_vault *vault, const char *login,
		    const char *issuer, struct tl_buf *uri, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf sealed = TL_BUF_INIT(1024);
	uint8_t secret[TL_TOTP_SECRET_LEN];
	char user[TL_ID_LEN + 1];
	int r = tl_user_find(change->store, login, user, err);

	if (r)
		return r;
	tl_random(secret, sizeof secret);
	tl_buf_reset(uri);
	tl_totp_uri(uri, secret, issuer, login);
	r = tl_vault_seal(vault, user, secret, sizeof secret, &sealed);
	tl_wipe(secret, sizeof secret);
	if (r || (r = tl_buf_check(uri)))
		return tl_err_set(err, r, "the secret cannot be sealed");
	r = tl_store_exec(
		change->store,
		"INSERT INTO second_factor (user_id, pending, changed_ms) VALUES ($1, $2, "
		"$3) ON CONFLICT (user_id) DO UPDATE SET pending = excluded.pending, "
		"changed_ms = excluded.changed_ms",
		TL_ARGS(TL_ARG_TEXT(user), TL_ARG_TEXT(tl_buf_str(&sealed)),
			TL_ARG_INT(change->now_ms)),
		NULL, err);
	return r ? r : tell(change, "second-factor.begin", login, err);
}

/* As it is digested: without the blanks and dashes that people read it by. */
static void normalise(const char *code, char text[static CODE_MAX])
{
	size_t len = 0;

	for (; *code && len + 1 < CODE_MAX; code++)
		if (!strchr(" -\t\r\n", *code))
			text[len++] = (char)toupper((unsigned char)*code);
	text[len] = '\0';
}

static void draw_recovery_code(char text[static RECOVERY_TEXT])
{
	tl_auto(tl_buf) struct tl_buf digits = TL_BUF_SECRET_INIT(64);
	uint8_t random[RECOVERY_BYTES];

	tl_random(random, sizeof random);
	tl_base32_encode(&digits, random, sizeof random);
	snprintf(text, RECOVERY_TEXT, "%.4s-%.4s-%.4s-%.4s", digits.data, digits.data + 4,
		 digits.data + 8, digits.data + 12);
	tl_wipe(random, sizeof random);
}

static int replace_recovery_codes(struct tl_change *change, const struct tl_vault *vault,
				  const char *user, struct tl_strv *codes, struct tl_err *err)
{
	int r = tl_store_exec(change->store, "DELETE FROM recovery_code WHERE user_id = $1",
			      TL_ARGS(TL_ARG_TEXT(user)), NULL, err);

	tl_strv_clear(codes);
	for (int i = 0; r == 0 && i < TL_FACTOR_RECOVERY_CODES; i++) {
		char text[RECOVERY_TEXT], plain[CODE_MAX], digest[TL_SHA256_HEX];

		draw_recovery_code(text);
		normalise(text, plain);
		tl_vault_digest(vault, user, plain, digest);
		r = tl_store_exec(change->store,
				  "INSERT INTO recovery_code (user_id, digest) VALUES ($1, $2)",
				  TL_ARGS(TL_ARG_TEXT(user), TL_ARG_TEXT(digest)), NULL, err);
		if (r == 0 && (r = tl_strv_push(codes, text)))
			tl_err_set(err, r, "out of memory");
		tl_wipe(text, sizeof text);
		tl_wipe(plain, sizeof plain);
	}
	return r;
}

/* The drawn secret's step of `code`; without a code it is handed over as it is. */
static int check_pending(struct tl_change *change, const struct tl_vault *vault, const char *user,
			 const char *code, int64_t *ret_step, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	uint8_t secret[TL_TOTP_SECRET_LEN];
	char plain[CODE_MAX];
	int r = tl_store_row(
		change->store,
		"SELECT pending FROM second_factor WHERE user_id = $1 AND pending IS NOT "
		"NULL",
		TL_ARGS(TL_ARG_TEXT(user)), &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "no second factor was begun");
	if (r ||
	    (r = tl_vault_unseal(vault, user, tl_rows_text(row, 0), secret, sizeof secret, err)))
		return r;
	*ret_step = 0;
	if (code) {
		normalise(code, plain);
		*ret_step = tl_totp_find(secret, plain, change->now_ms / 1000, 0);
	}
	tl_wipe(secret, sizeof secret);
	return *ret_step < 0 ? tl_err_set(err, TL_EAUTH,
					  "that is not the code of the new secret: is the phone's "
					  "clock right?")
			     : 0;
}

int tl_factor_confirm(struct tl_change *change, const struct tl_vault *vault, const char *login,
		      const char *code, struct tl_strv *recovery_codes, struct tl_err *err)
{
	char user[TL_ID_LEN + 1];
	int64_t step = 0;
	int r;

	if ((r = tl_user_find(change->store, login, user, err)) ||
	    (r = check_pending(change, vault, user, code, &step, err)) ||
	    (r = tl_store_exec(change->store,
			       "UPDATE second_factor SET secret = pending, pending = NULL, "
			       "last_step = $2, wrong = 0, changed_ms = $3 WHERE user_id = $1",
			       TL_ARGS(TL_ARG_TEXT(user), TL_ARG_INT(step),
				       TL_ARG_INT(change->now_ms)),
			       NULL, err)) ||
	    (r = replace_recovery_codes(change, vault, user, recovery_codes, err)))
		return r;
	return tell(change, "second-factor.enrol", login, err);
}

int tl_factor_remove(struct tl_change *change, const char *login, struct tl_err *err)
{
	char user[TL_ID_LEN + 1];
	int64_t removed = 0;
	int r;

	if ((r = tl_user_find(change->store, login, user, err)) ||
	    (r = tl_store_exec(change->store, "DELETE FROM recovery_code WHERE user_id = $1",
			       TL_ARGS(TL_ARG_TEXT(user)), NULL, err)) ||
	    (r = tl_store_exec(change->store, "DELETE FROM second_factor WHERE user_id = $1",
			       TL_ARGS(TL_ARG_TEXT(user)), &removed, err)))
		return r;
	if (!removed)
		return tl_err_set(err, TL_ENOENT, "%s has no second factor", login);
	return tell(change, "second-factor.remove", login, err);
}

/* ---- asking for it ----------------------------------------------------------------------------- */

int tl_factor_needed(struct tl_store *store, enum tl_factor_rule rule, const char *user,
		     bool *ret_needed, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r;

	*ret_needed = false;
	if (rule == TL_FACTOR_OFF)
		return 0;
	r = tl_store_row(store,
			 "SELECT COUNT(*) FROM second_factor WHERE user_id = $1 AND secret IS NOT "
			 "NULL",
			 TL_ARGS(TL_ARG_TEXT(user)), &row, err);
	if (r)
		return r;
	*ret_needed = tl_rows_int(row, 0) > 0;
	if (!*ret_needed && rule == TL_FACTOR_REQUIRED)
		return tl_err_set(
			err, TL_EAUTH,
			"this relay requires a second factor: run `towline totp enrol` first");
	return 0;
}

struct checking {
	const struct tl_vault *vault;
	const struct tl_factor_try *asked;
	char plain[CODE_MAX];
	bool is_right;
	int64_t wait_ms; /* > 0: too many were wrong */
};

static int spend_recovery_code(struct tl_change *change, struct checking *checking,
			       struct tl_err *err)
{
	const char *user = checking->asked->user;
	char digest[TL_SHA256_HEX];
	int64_t spent = 0;
	int r;

	tl_vault_digest(checking->vault, user, checking->plain, digest);
	r = tl_store_exec(
		change->store,
		"UPDATE recovery_code SET used_ms = $3 WHERE user_id = $1 AND digest = $2 "
		"AND used_ms IS NULL",
		TL_ARGS(TL_ARG_TEXT(user), TL_ARG_TEXT(digest), TL_ARG_INT(change->now_ms)), &spent,
		err);
	if (r || !spent)
		return r;
	checking->is_right = true;
	return tell(change, "second-factor.recovery", checking->asked->login, err);
}

/* A wrong one is counted by a change that commits: the transaction ends well whatever the code was. */
static int count_wrong(struct tl_change *change, const struct checking *checking, int64_t wrong,
		       int64_t since_ms, struct tl_err *err)
{
	int r = tl_store_exec(change->store,
			      "UPDATE second_factor SET wrong = $2, wrong_since_ms = $3 "
			      "WHERE user_id = $1",
			      TL_ARGS(TL_ARG_TEXT(checking->asked->user), TL_ARG_INT(wrong),
				      TL_ARG_INT(since_ms)),
			      NULL, err);

	return r ? r : tell(change, "second-factor.refuse", checking->asked->login, err);
}

static int spend_step(struct tl_change *change, const struct checking *checking, int64_t step,
		      struct tl_err *err)
{
	return tl_store_exec(change->store,
			     "UPDATE second_factor SET last_step = $2 WHERE user_id = $1",
			     TL_ARGS(TL_ARG_TEXT(checking->asked->user), TL_ARG_INT(step)), NULL,
			     err);
}

static int check(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct checking *checking = arg;
	const char *user = checking->asked->user;
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	uint8_t secret[TL_TOTP_SECRET_LEN];
	int64_t spent, wrong, since_ms, step;
	int r = tl_store_row(change->store,
			     "SELECT secret, last_step, wrong, wrong_since_ms FROM second_factor "
			     "WHERE user_id = $1 AND secret IS NOT NULL",
			     TL_ARGS(TL_ARG_TEXT(user)), &row, err);

	checking->is_right = false;
	checking->wait_ms = 0;
	if (r)
		return r == TL_ENOENT ? tl_err_set(err, TL_EAUTH, "no second factor is enrolled")
				      : r;
	spent = tl_rows_int(row, 1);
	wrong = tl_rows_int(row, 2);
	since_ms = tl_rows_int(row, 3);
	r = tl_vault_unseal(checking->vault, user, tl_rows_text(row, 0), secret, sizeof secret,
			    err);
	tl_rows_free(tl_steal(&row));
	if (r)
		return r;
	step = tl_totp_find(secret, checking->plain, change->now_ms / 1000, spent);
	tl_wipe(secret, sizeof secret);
	if (change->now_ms - since_ms >= TL_FACTOR_WRONG_MS)
		wrong = 0;
	if (wrong >= TL_FACTOR_WRONG_MAX) {
		checking->wait_ms = since_ms + TL_FACTOR_WRONG_MS - change->now_ms;
		return 0;
	}
	if (step >= 0) {
		checking->is_right = true;
		return spend_step(change, checking, step, err);
	}
	if (strlen(checking->plain) > TL_TOTP_DIGITS &&
	    (r = spend_recovery_code(change, checking, err)))
		return r;
	if (checking->is_right)
		return 0;
	return count_wrong(change, checking, wrong + 1, wrong ? since_ms : change->now_ms, err);
}

int tl_factor_check(struct tl_store *store, const struct tl_clock *clock,
		    const struct tl_vault *vault, const struct tl_factor_try *asked,
		    struct tl_err *err)
{
	struct checking checking = {.vault = vault, .asked = asked};
	struct tl_change change;
	char span[TL_TIME_TEXT];
	int r;

	normalise(asked->code, checking.plain);
	tl_change_init_system(&change, store, clock, NULL, check, &checking);
	change.actor_kind = "user";
	change.actor = asked->login;
	change.address = asked->address;
	r = tl_change_run(&change, err);
	tl_wipe(checking.plain, sizeof checking.plain);
	if (r || checking.is_right)
		return r;
	if (checking.wait_ms > 0) {
		tl_time_span(checking.wait_ms, span);
		return tl_err_set(err, TL_EAUTH, "too many wrong codes of %s: wait %s",
				  asked->login, span);
	}
	return tl_err_set(err, TL_EAUTH, "the code is wrong, or was used before");
}
