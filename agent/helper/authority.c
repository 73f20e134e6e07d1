#include "helper/authority.h"

#include <stdio.h>
#include <strings.h>
#include <towline/jwt.h>
#include <towline/statement.h>

const char *tl_authority_pin(const struct tl_authority *authority)
{
	const char *pin = authority->policy->sessions_roster_key;

	return pin && pin[0] ? pin : authority->trust->identity.roster_key;
}

static int denied(struct tl_err *err, const char *sentence)
{
	return tl_err_set(err, TL_EDENIED, "%s", sentence);
}

/* ---- who signed -------------------------------------------------------------------------------- */

static int find_signer(const struct tl_authority *authority, const struct tl_grant *grant,
		       const struct tl_roster_engineer **ret_engineer, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char fingerprint[TL_SSH_FINGERPRINT_MAX];
	const struct tl_roster *roster = NULL;
	int rc = tl_sshsig_verify(grant->signature, TL_SSHSIG_SESSION, grant->statement,
				  strlen(grant->statement), &key, err);

	if (rc != 0)
		return tl_err_prefix(err, "the engineer's statement");
	rc = tl_roster_book_now(authority->book, tl_authority_pin(authority), authority->clock,
				&roster, err);
	if (rc != 0)
		return rc;
	tl_sshkey_fingerprint(key.data, key.len, fingerprint);
	*ret_engineer = tl_roster_of_key(roster, fingerprint);
	if (!*ret_engineer)
		return tl_err_set(err, TL_EDENIED,
				  "the statement's key %s is not on the roster of engineers",
				  fingerprint);
	return 0;
}

static int check_signer(const struct tl_authority *authority, const struct tl_grant *grant,
			const struct tl_roster_engineer *engineer, struct tl_err *err)
{
	if (!tl_streq(engineer->login, grant->engineer))
		return tl_err_set(err, TL_EDENIED,
				  "the statement is signed by \"%s\", and the grant is for \"%s\"",
				  engineer->login, grant->engineer);
	if (engineer->expires_ms && engineer->expires_ms <= tl_clock_wall_ms(authority->clock))
		return denied(err, "the engineer's entry on the roster has expired");
	if (grant->scopes & ~engineer->scopes)
		return denied(err, "the roster does not allow the engineer these scopes");
	if (grant->break_glass && !engineer->break_glass)
		return denied(err, "the roster does not allow the engineer emergencies");
	return 0;
}

/* ---- what was signed --------------------------------------------------------------------------- */

static int check_times(const struct tl_statement *statement, const struct tl_clock *clock,
		       struct tl_err *err)
{
	int64_t now_ms = tl_clock_wall_ms(clock);
	char now[TL_TIME_TEXT];

	if (now_ms >= statement->not_before_ms - TL_JWT_SKEW_MS &&
	    now_ms < statement->not_after_ms + TL_JWT_SKEW_MS)
		return 0;
	tl_time_rfc3339(now_ms, now);
	return tl_err_set(err, TL_EEXPIRED,
			  "the engineer's statement is not valid now (it is %s here); sign a new "
			  "one, or set the clock",
			  now);
}

static int check_statement(const struct tl_authority *authority, const struct tl_grant *grant,
			   struct tl_authority_use *use, struct tl_err *err)
{
	tl_auto(tl_statement) struct tl_statement statement = {.relay = ""};
	int rc = tl_statement_read(grant->statement, strlen(grant->statement), &statement, err);

	if (rc == 0)
		rc = tl_statement_covers(&statement, grant, err);
	if (rc == 0)
		rc = check_times(&statement, authority->clock, err);
	if (rc != 0)
		return rc;
	if (strcasecmp(statement.host_name, authority->trust->identity.name) != 0)
		return tl_err_set(err, TL_EDENIED,
				  "the engineer asked for the host \"%s\", and this is \"%s\"",
				  statement.host_name, authority->trust->identity.name);
	snprintf(use->nonce, sizeof(use->nonce), "%s", statement.nonce);
	use->expires_ms = statement.not_after_ms;
	return 0;
}

int tl_authority_check(const struct tl_authority *authority, struct tl_grant *grant,
		       struct tl_authority_use *ret_use, struct tl_err *err)
{
	const struct tl_roster_engineer *engineer = NULL;
	int rc;

	*ret_use = (struct tl_authority_use){.expires_ms = grant->expires_ms};
	if (!authority->policy->sessions_engineer_signed)
		return 0;
	if (!grant->statement)
		return denied(err, "this machine's policy wants a request that the engineer signed "
				   "(sessions.engineer_signed): use `towline connect`, or "
				   "`towline session request`");
	rc = find_signer(authority, grant, &engineer, err);
	if (rc == 0)
		rc = check_signer(authority, grant, engineer, err);
	if (rc == 0)
		rc = check_statement(authority, grant, ret_use, err);
	if (rc == 0)
		snprintf(grant->name, sizeof(grant->name), "%s", engineer->name);
	return rc;
}
