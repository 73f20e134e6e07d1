#include "tests.h"

#include <towline/roster.h>
#include <towline/sshkey.h>

#include "scratch.h"

#define KEY(last) \
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPxRzY5iGKGjjaR+0AIw8FgIFu0TujMDrF3rkRVIkIA" last
#define ENGINEER(login, key) "{\"login\":\"" login "\",\"name\":\"N\",\"keys\":[\"" key "\"]}"
#define ROSTER(engineers) \
	"{\"version\":3,\"expires\":\"2027-01-01T00:00:00Z\",\"engineers\":[" engineers "]}"

static int read_roster(const char *text, struct tl_roster *roster, struct tl_err *err)
{
	return tl_roster_read(text, strlen(text), roster, err);
}

static void a_roster_is_read(void **state)
{
	tl_auto(tl_roster) struct tl_roster roster = {.version = 0};
	struct tl_err err = TL_ERR_INIT;
	const struct tl_roster_engineer *erin;

	(void)state;
	if (read_roster(
		    ROSTER("{\"login\":\"erin\",\"name\":\"Erin Ångström\",\"keys\":[\"" KEY(
			    "l") " at work\",\"" KEY("m") "\"],\"scopes\":[\"files\"],"
							  "\"expires\":\"2026-06-01T00:00:00Z\","
							  "\"break_glass\":true}," ENGINEER(
								  "sam", KEY("n"))),
		    &roster, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	assert_int_equal(roster.version, 3);
	assert_int_equal(roster.count, 2);
	erin = tl_roster_of_login(&roster, "erin");
	assert_string_equal(erin->name, "Erin Ångström");
	assert_int_equal(erin->keys.count, 2);
	assert_int_equal(erin->scopes, TL_SCOPE_FILES);
	assert_true(erin->break_glass);
	assert_ptr_equal(tl_roster_of_key(&roster, erin->keys.items[1]), erin);
	assert_int_equal(tl_roster_of_login(&roster, "sam")->scopes, TL_SCOPE_ALL);
	assert_null(tl_roster_of_login(&roster, "mallory"));
	assert_null(tl_roster_of_key(&roster, "SHA256:none"));
}

static void what_is_no_roster_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"[]", "roster"},
		{"{\"version\":1}", "engineers"},
		{"{\"version\":0,\"expires\":\"2027-01-01T00:00:00Z\",\"engineers\":[]}",
		 "version"},
		{"{\"version\":1,\"expires\":\"soon\",\"engineers\":[]}", "expiry"},
		{ROSTER(ENGINEER("a b", KEY("l"))), "login"},
		{ROSTER(ENGINEER("erin", "ssh-ed25519 AAAA")), "no plain SSH public key"},
		{ROSTER("{\"login\":\"erin\",\"name\":\"E\",\"keys\":[]}"), "has no key"},
		{ROSTER("{\"login\":\"erin\",\"name\":\"E\\nF\",\"keys\":[\"" KEY("l") "\"]}"),
		 "not one line"},
		{ROSTER(ENGINEER("erin", KEY("l")) "," ENGINEER("erin", KEY("m"))),
		 "\"erin\" twice"},
		{ROSTER(ENGINEER("erin", KEY("l")) "," ENGINEER("sam", KEY("l"))),
		 "the key SHA256"},
		{ROSTER("{\"login\":\"erin\",\"name\":\"E\",\"keys\":[\"" KEY("l") "\"],\"scopes\":"
										   "[\"all\"]}"),
		 "scope 1"},
		{ROSTER("{\"login\":\"erin\",\"name\":\"E\",\"keys\":[\"" KEY("l") "\"],\"admin\":"
										   "true}"),
		 "admin"},
	};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		tl_auto(tl_roster) struct tl_roster roster = {.version = 0};
		struct tl_err err = TL_ERR_INIT;

		assert_int_equal(read_roster(rows[i].text, &roster, &err), TL_EINVAL);
		assert_says(&err, rows[i].says);
	}
}

static void an_expired_roster_is_said_to_be(void **state)
{
	struct tl_roster roster = {.expires_ms = 1000000};
	struct tl_err err = TL_ERR_INIT;
	struct tl_clock_fake fake;

	(void)state;
	tl_clock_fake_init(&fake, 999999);
	assert_int_equal(tl_roster_check_time(&roster, &fake.clock, &err), 0);
	tl_clock_fake_advance(&fake, 1);
	assert_int_equal(tl_roster_check_time(&roster, &fake.clock, &err), TL_EEXPIRED);
	assert_says(&err, "publish a new one");
}

/* ---- signed by ssh-keygen ----------------------------------------------------------------------- */

static const char roster_text[] =
	ROSTER("{\"login\":\"erin\",\"name\":\"E\",\"keys\":[\"" KEY("l") "\"]}");

static void sign(const char *dir, const char *name_space, char signature[static TL_SSHSIG_MAX],
		 char fingerprint[static TL_SSH_FINGERPRINT_MAX])
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char command[1024], line[1024] = "";
	FILE *pipe;
	size_t len;

	snprintf(command, sizeof command,
		 "cd %s && rm -f offline* && ssh-keygen -q -t ed25519 -N '' -f offline && "
		 "printf '%%s' '%s' | ssh-keygen -q -Y sign -f offline -n %s 2>/dev/null && "
		 "cp offline.pub last.pub",
		 dir, roster_text, name_space);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	len = fread(signature, 1, TL_SSHSIG_MAX - 1, pipe);
	signature[len] = '\0';
	assert_int_equal(pclose(pipe), 0);
	snprintf(command, sizeof command, "cat %s/last.pub", dir);
	pipe = popen(command, "r");
	assert_non_null(fgets(line, sizeof line, pipe));
	pclose(pipe);
	assert_int_equal(tl_sshkey_of_line(line, &blob, NULL), 0);
	tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
}

static int verify(const char *text, const char *signature, const char *pinned, struct tl_err *err)
{
	tl_auto(tl_roster) struct tl_roster roster = {.version = 0};

	return tl_roster_verify(text, strlen(text), signature, pinned, &roster, err);
}

static void only_the_pinned_key_signs_rosters(void **state)
{
	char signature[TL_SSHSIG_MAX], fingerprint[TL_SSH_FINGERPRINT_MAX];
	char other[TL_SSH_FINGERPRINT_MAX], foreign[TL_SSHSIG_MAX];
	struct tl_err err = TL_ERR_INIT;

	sign(*state, TL_SSHSIG_ROSTER, signature, fingerprint);
	sign(*state, TL_SSHSIG_ROSTER, foreign, other);
	assert_int_equal(verify(roster_text, signature, fingerprint, &err), 0);
	assert_int_equal(verify(roster_text, foreign, fingerprint, &err), TL_EDENIED);
	assert_says(&err, "is pinned");
	assert_int_equal(verify(ROSTER(""), signature, fingerprint, &err), TL_ESIG);
}

static void a_session_s_signature_signs_no_roster(void **state)
{
	char signature[TL_SSHSIG_MAX], fingerprint[TL_SSH_FINGERPRINT_MAX];
	struct tl_err err = TL_ERR_INIT;

	sign(*state, TL_SSHSIG_SESSION, signature, fingerprint);
	assert_int_equal(verify(roster_text, signature, fingerprint, &err), TL_EINVAL);
	assert_says(&err, "another purpose");
}

#define SCRATCHED(test) cmocka_unit_test_setup_teardown(test, scratch_set_up, scratch_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_roster_is_read),
		cmocka_unit_test(what_is_no_roster_is_refused_with_the_reason),
		cmocka_unit_test(an_expired_roster_is_said_to_be),
		SCRATCHED(only_the_pinned_key_signs_rosters),
		SCRATCHED(a_session_s_signature_signs_no_roster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
