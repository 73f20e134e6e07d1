#include "helper/trust.h"

#include <pwd.h>
#include <stdio.h>
#include <towline/jwt.h>

#include "helper/policy.h"

#define CONSENT_KEY_FILE "consent.key"

static int adopt(struct tl_trust *trust, const struct tl_identity *identity, struct tl_err *err)
{
	int rc = tl_public_key_parse(identity->authority_key, &trust->authority, err);

	if (rc != 0)
		return rc;
	trust->identity = *identity;
	trust->pinned = true;
	return 0;
}

int tl_trust_open(int state_fd, const char *state_dir, struct tl_trust *ret_trust,
		  struct tl_err *err)
{
	tl_auto(tl_trust) struct tl_trust trust = {.state_fd = state_fd, .state_dir = state_dir};
	struct tl_identity identity;
	int rc = tl_identity_key(state_fd, CONSENT_KEY_FILE, &trust.consent_key, err);

	if (rc != 0)
		return rc;
	rc = tl_identity_load(state_fd, &identity, err);
	if (rc == 0)
		rc = adopt(&trust, &identity, err);
	else if (rc == TL_ENOENT)
		rc = 0;
	if (rc != 0)
		return rc;
	*ret_trust = trust;
	trust = (struct tl_trust){0};
	return 0;
}

int tl_trust_pin(struct tl_trust *trust, const struct tl_identity *identity, struct tl_err *err)
{
	int rc;

	if (trust->pinned && tl_identity_equal(&trust->identity, identity))
		return 0;
	if (trust->pinned)
		return tl_err_set(
			err, TL_ECONFLICT,
			"the helper trusts this machine's first enrolment, at %s; when the "
			"machine was enrolled anew on purpose, remove %s/" TL_IDENTITY_FILE
			" and restart the helper",
			trust->identity.url, trust->state_dir);
	rc = tl_identity_save(trust->state_fd, identity, err);
	return rc == 0 ? adopt(trust, identity, err) : rc;
}

int tl_trust_verify(const struct tl_trust *trust, const char *token, const struct tl_clock *clock,
		    struct tl_grant *ret_grant, struct tl_err *err)
{
	if (!trust->pinned)
		return tl_err_set(err, TL_EAUTH, "the helper knows no enrolment of this machine");
	return tl_grant_verify(token, strlen(token), trust->authority, trust->identity.host_id,
			       clock, ret_grant, err);
}

void tl_user_name(uid_t uid, char *name, size_t capacity)
{
	struct passwd entry, *found = NULL;
	char buffer[4096];

	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(name, capacity, "%s", found->pw_name);
	else
		snprintf(name, capacity, "%u", (unsigned)uid);
}

int tl_trust_receipt(const struct tl_trust *trust, const struct tl_clock *clock,
		     const struct tl_receipt *receipt, struct tl_buf *out, struct tl_err *err)
{
	char user[256];
	tl_json *claims = NULL;

	if (!trust->pinned)
		return tl_err_set(err, TL_EAUTH, "the helper knows no enrolment of this machine");
	tl_user_name(receipt->uid, user, sizeof(user));
	claims = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:I}", "host",
			   trust->identity.host_id, "what", receipt->what, "subject",
			   receipt->subject, "uid", (json_int_t)receipt->uid, "user", user,
			   "decision", receipt->decision, "by", receipt->by, "iat",
			   (json_int_t)(tl_clock_wall_ms(clock) / 1000));
	if (!claims)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	if (receipt->ticket)
		json_object_set_new(claims, "ticket", json_string(receipt->ticket));
	if (receipt->help_id)
		json_object_set_new(claims, "help_id", json_string(receipt->help_id));
	if (receipt->scopes)
		json_object_set_new(claims, "scopes", tl_scopes_json(receipt->scopes));
	return tl_jwt_sign(trust->consent_key, TL_JWT_CONSENT, claims, out, err);
}

int tl_trust_name_ticket(const struct tl_trust *trust, const char *receipt, const char *ticket,
			 struct tl_buf *out, struct tl_err *err)
{
	tl_json *claims = NULL;
	const char *named;
	int rc = tl_jwt_verify(trust->consent_key, TL_JWT_CONSENT, receipt, strlen(receipt),
			       &claims, err);

	if (rc != 0)
		return rc;
	named = json_string_value(json_object_get(claims, "ticket"));
	if (named && strcmp(named, ticket) != 0)
		return tl_err_set(err, TL_ECONFLICT, "the receipt is for the ticket %.40s", named);
	if (!tl_streq(json_string_value(json_object_get(claims, "what")), "bundle") ||
	    !tl_streq(json_string_value(json_object_get(claims, "decision")), "yes"))
		return tl_err_set(err, TL_ECONFLICT, "the receipt is not a yes to a bundle");
	json_object_set_new(claims, "ticket", json_string(ticket));
	return tl_jwt_sign(trust->consent_key, TL_JWT_CONSENT, claims, out, err);
}

void tl_trust_clear(struct tl_trust *trust)
{
	tl_key_free(trust->consent_key);
	tl_key_free(trust->authority);
	*trust = (struct tl_trust){0};
}
