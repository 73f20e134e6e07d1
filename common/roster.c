#include <towline/roster.h>

#include <stdlib.h>
#include <string.h>
#include <towline/json.h>
#include <towline/jwt.h>
#include <towline/sshkey.h>

#define VERSION_MAX ((int64_t)1 << 53) /* exact in every JSON reader */

void tl_roster_clear(struct tl_roster *roster)
{
	for (size_t i = 0; i < roster->count; i++)
		tl_strv_clear(&roster->engineers[i].keys);
	free(roster->engineers);
	*roster = (struct tl_roster){.version = 0};
}

const struct tl_roster_engineer *tl_roster_of_key(const struct tl_roster *roster,
						  const char *fingerprint)
{
	for (size_t i = 0; i < roster->count; i++)
		if (tl_strv_has(&roster->engineers[i].keys, fingerprint))
			return &roster->engineers[i];
	return NULL;
}

const struct tl_roster_engineer *tl_roster_of_login(const struct tl_roster *roster,
						    const char *login)
{
	for (size_t i = 0; i < roster->count; i++)
		if (strcmp(roster->engineers[i].login, login) == 0)
			return &roster->engineers[i];
	return NULL;
}

/* ---- reading ----------------------------------------------------------------------------------- */

struct engineer_members {
	const char *login, *name, *expires;
	json_t *keys, *scopes;
	bool break_glass;
};

#define MEMBER(member, type, required, min, max) \
	{ \
#member, type, required, offsetof(struct engineer_members, member), min, max \
	}

static const struct tl_json_member engineer_members[] = {
	MEMBER(break_glass, TL_JSON_BOOL, false, 0, 0),
	MEMBER(expires, TL_JSON_TEXT, false, 1, 40),
	MEMBER(keys, TL_JSON_ARRAY, true, 0, TL_ROSTER_KEYS_MAX),
	MEMBER(login, TL_JSON_NAME, true, 0, 64),
	MEMBER(name, TL_JSON_TEXT, true, 1, 128),
	MEMBER(scopes, TL_JSON_ARRAY, false, 0, 16),
};

/* A key that two engineers have would make one pass for the other. */
static int read_keys(const json_t *list, const struct tl_roster *roster,
		     struct tl_roster_engineer *engineer, struct tl_err *err)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *line = json_string_value(json_array_get(list, i));
		tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
		char fingerprint[TL_SSH_FINGERPRINT_MAX];

		if (!line || tl_sshkey_of_line(line, &blob, NULL) != 0)
			return tl_err_set(
				err, TL_EINVAL,
				"the roster's key %zu of \"%s\" is no plain SSH public key", i + 1,
				engineer->login);
		tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
		if (tl_roster_of_key(roster, fingerprint))
			return tl_err_set(err, TL_EINVAL, "the roster has the key %s twice",
					  fingerprint);
		if (tl_strv_push(&engineer->keys, fingerprint))
			return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	if (engineer->keys.count == 0)
		return tl_err_set(err, TL_EINVAL, "the roster's engineer \"%s\" has no key",
				  engineer->login);
	return 0;
}

/* `engineer` is in the roster already, so that it is freed with it. */
static int read_engineer(const json_t *json, const struct tl_roster *roster,
			 struct tl_roster_engineer *engineer, struct tl_err *err)
{
	struct engineer_members read = {.login = NULL};
	int rc = tl_json_read(json, engineer_members, TL_ARRAY_LEN(engineer_members), &read, err);

	if (rc != 0)
		return err ? tl_err_prefix(err, "an engineer of the roster") : rc;
	if (tl_roster_of_login(roster, read.login))
		return tl_err_set(err, TL_EINVAL, "the roster has the engineer \"%s\" twice",
				  read.login);
	if (!tl_grant_is_sentence(read.name))
		return tl_err_set(err, TL_EINVAL, "the roster's name of \"%s\" is not one line",
				  read.login);
	if (read.expires && tl_time_rfc3339_parse(read.expires, &engineer->expires_ms) != 0)
		return tl_err_set(err, TL_EINVAL, "the roster's expiry of \"%s\" is no time",
				  read.login);
	memcpy(engineer->login, read.login, strlen(read.login) + 1);
	memcpy(engineer->name, read.name, strlen(read.name) + 1);
	engineer->break_glass = read.break_glass;
	engineer->scopes = TL_SCOPE_ALL;
	if (read.scopes)
		rc = tl_grant_scopes_of_json(read.scopes, &engineer->scopes, err);
	return rc == 0 ? read_keys(read.keys, roster, engineer, err) : rc;
}

struct roster_members {
	const char *expires;
	json_t *engineers;
	int64_t version;
};

static const struct tl_json_member roster_members[] = {
	{"engineers", TL_JSON_ARRAY, true, offsetof(struct roster_members, engineers), 0,
	 TL_ROSTER_ENGINEERS_MAX},
	{"expires", TL_JSON_TEXT, true, offsetof(struct roster_members, expires), 1, 40},
	{"version", TL_JSON_INT, true, offsetof(struct roster_members, version), 1, VERSION_MAX},
};

int tl_roster_read(const char *text, size_t len, struct tl_roster *ret_roster, struct tl_err *err)
{
	tl_auto(tl_roster) struct tl_roster roster = {.version = 0};
	struct roster_members read = {.expires = NULL};
	tl_json *json = NULL;
	int rc;

	if (len > TL_ROSTER_MAX)
		return tl_err_set(err, TL_ETOOBIG, "a roster has at most %d bytes", TL_ROSTER_MAX);
	rc = tl_json_parse(text, len, &json, err);
	if (rc == 0)
		rc = tl_json_read(json, roster_members, TL_ARRAY_LEN(roster_members), &read, err);
	if (rc != 0)
		return err ? tl_err_prefix(err, "the roster") : rc;
	if (tl_time_rfc3339_parse(read.expires, &roster.expires_ms) != 0)
		return tl_err_set(err, TL_EINVAL, "the roster's expiry is no time");
	roster.version = read.version;
	roster.engineers = calloc(json_array_size(read.engineers) + 1, sizeof *roster.engineers);
	if (!roster.engineers)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	for (size_t i = 0; rc == 0 && i < json_array_size(read.engineers); i++) {
		struct tl_roster_engineer *engineer = &roster.engineers[i];

		rc = read_engineer(json_array_get(read.engineers, i), &roster, engineer, err);
		roster.count++;
	}
	if (rc != 0)
		return rc;
	*ret_roster = roster;
	roster = (struct tl_roster){.version = 0};
	return 0;
}

/* ---- judging ----------------------------------------------------------------------------------- */

int tl_roster_verify(const char *text, size_t len, const char *signature, const char *pinned,
		     struct tl_roster *ret_roster, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char fingerprint[TL_SSH_FINGERPRINT_MAX];
	int rc = tl_sshsig_verify(signature, TL_SSHSIG_ROSTER, text, len, &key, err);

	if (rc != 0)
		return err ? tl_err_prefix(err, "the roster's signature") : rc;
	tl_sshkey_fingerprint(key.data, key.len, fingerprint);
	if (strcmp(fingerprint, pinned) != 0)
		return tl_err_set(err, TL_EDENIED,
				  "the roster is signed by the key %s, and %s is pinned here",
				  fingerprint, pinned);
	return tl_roster_read(text, len, ret_roster, err);
}

int tl_roster_check_time(const struct tl_roster *roster, const struct tl_clock *clock,
			 struct tl_err *err)
{
	int64_t now_ms = tl_clock_wall_ms(clock);
	char now[TL_TIME_TEXT], then[TL_TIME_TEXT];

	if (now_ms < roster->expires_ms)
		return 0;
	tl_time_rfc3339(now_ms, now);
	tl_time_rfc3339(roster->expires_ms, then);
	return tl_err_set(err, TL_EEXPIRED,
			  "the roster of engineers expired at %s, and it is %s here: publish a new "
			  "one",
			  then, now);
}
