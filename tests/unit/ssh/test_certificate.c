/* ssh-keygen makes what is read here, and is the oracle. */
#include "ssh/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <towline/attr.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char dir[64];
	char authority[4096]; /* the line of DIR/ca.pub */
};

/* Runs a command by sh in the place. */
static void sh(const struct place *place, const char *command)
{
	char line[2048];

	snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", place->dir, command);
	if (system(line) != 0)
		fail_msg("%s", command);
}

static void read_text(const struct place *place, const char *name, char *text, size_t room)
{
	char path[128];
	FILE *file;
	size_t len;

	snprintf(path, sizeof path, "%s/%s", place->dir, name);
	file = fopen(path, "r");
	assert_non_null(file);
	len = fread(text, 1, room - 1, file);
	text[len] = '\0';
	fclose(file);
}

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	assert_non_null(place);
	snprintf(place->dir, sizeof place->dir, "/tmp/towline-cert-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	sh(place, "ssh-keygen -q -t ed25519 -N '' -f ca; ssh-keygen -q -t ed25519 -N '' -f key");
	read_text(place, "ca.pub", place->authority, sizeof place->authority);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	sh(place, "rm -rf \"$PWD\"");
	free(place);
	return 0;
}

/* The blob of DIR/key-cert.pub. */
static void load(const struct place *place, struct tl_buf *blob)
{
	char line[16384], *from, *end;

	read_text(place, "key-cert.pub", line, sizeof line);
	from = strchr(line, ' ');
	assert_non_null(from);
	end = strchr(++from, ' ');
	assert_non_null(end);
	assert_int_equal(tl_base64_decode(blob, from, (size_t)(end - from)), 0);
}

/* Signs by `ssh-keygen -s ca ARGS key.pub` and reads the result. */
static int make(const struct place *place, const char *args, struct tl_certificate *certificate,
		struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX);
	char command[1024];

	snprintf(command, sizeof command, "ssh-keygen -q -s ca %s key.pub", args);
	sh(place, command);
	load(place, &blob);
	return tl_certificate_read(blob.data, blob.len, certificate, err);
}

static int judge(const struct place *place, const char *args,
		 const struct tl_certificate_rules *given, struct tl_err *err)
{
	tl_auto(tl_certificate) struct tl_certificate certificate = {.key_text = NULL};
	struct tl_certificate_rules rules = *given;

	assert_int_equal(make(place, args, &certificate, err), 0);
	if (!rules.authorities)
		rules.authorities = place->authority;
	if (!rules.address)
		rules.address = "192.0.2.7";
	if (!rules.now_s)
		rules.now_s = time(NULL);
	return tl_certificate_judge(&certificate, &rules, err);
}

static void what_ssh_keygen_signed_is_read(void **state)
{
	tl_auto(tl_certificate) struct tl_certificate certificate = {.key_text = NULL};
	struct tl_err err = TL_ERR_INIT;
	char line[4096];

	assert_int_equal(make(*state, "-I 'erin at work' -n erin,ops -z 77 -V 20260101:20270101",
			      &certificate, &err),
			 0);
	assert_string_equal(certificate.key_id, "erin at work");
	assert_int_equal(certificate.serial, 77);
	assert_int_equal(certificate.principals.count, 2);
	assert_string_equal(certificate.principals.items[1], "ops");
	assert_true(certificate.valid_before_s > certificate.valid_after_s);
	assert_true(certificate.permits_pty && certificate.permits_forwarding);
	read_text(*state, "key.pub", line, sizeof line);
	assert_non_null(strstr(line, certificate.key_text));
}

static void every_kind_of_key_is_read(void **state)
{
	static const char *const kinds[] = {"ed25519", "ecdsa -b 256", "ecdsa -b 384",
					    "ecdsa -b 521", "rsa -b 2048"};

	for (size_t i = 0; i < 2 * TL_ARRAY_LEN(kinds); i++) {
		tl_auto(tl_certificate) struct tl_certificate certificate = {.key_text = NULL};
		const char *which = i % 2 ? "ca" : "key";
		struct tl_err err = TL_ERR_INIT;
		char command[256];

		snprintf(command, sizeof command, "rm -f %s; ssh-keygen -q -t %s -N '' -f %s",
			 which, kinds[i / 2], which);
		sh(*state, command);
		if (make(*state, "-I x -n erin", &certificate, &err) != 0)
			fail_msg("%s %s: %s", which, kinds[i / 2], tl_err_text(&err));
	}
}

static void a_good_certificate_is_accepted(void **state)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(judge(*state, "-I x -n erin -V +1h", &(struct tl_certificate_rules){0},
			       &err),
			 0);
}

static void each_reason_to_refuse_is_one_sentence(void **state)
{
	static const struct {
		const char *args, *authorities, *revoked, *says;
	} cases[] = {
		{"-I x -n erin -V 20200101:20200102", NULL, NULL, "has expired"},
		{"-I x -n erin -V 20990101:20990102", NULL, NULL, "not valid yet"},
		{"-I x", NULL, NULL, "names no principal"},
		{"-I x -n erin", "", NULL, "not one of this relay's"},
		{"-I x -n erin", "ssh-ed25519 AAAA other\n", NULL, "not one of this relay's"},
		{"-I x -n erin -z 9", NULL, "# lost\nserial 9\n", "was revoked"},
		{"-I 'a b' -n erin", NULL, "serial 1\nid a b\n", "was revoked"},
		{"-I x -n erin", NULL, "serial nine\n", "a line that is none"},
		{"-I x -n erin", NULL, "what is this\n", "a line that is none"},
		{"-I x -n erin -O source-address=198.51.100.0/24", NULL, NULL,
		 "not for this address"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(cases); i++) {
		struct tl_certificate_rules rules = {.authorities = cases[i].authorities,
						     .revoked = cases[i].revoked};
		struct tl_err err = TL_ERR_INIT;

		assert_int_equal(judge(*state, cases[i].args, &rules, &err), TL_EAUTH);
		if (!strstr(tl_err_text(&err), cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", tl_err_text(&err), cases[i].says);
	}
}

static void a_source_address_that_fits_lets_in(void **state)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(judge(*state, "-I x -n erin -O source-address=2001:db8::/32,192.0.2.0/29",
			       &(struct tl_certificate_rules){0}, &err),
			 0);
}

static void a_revoked_key_is_known_without_its_certificate(void **state)
{
	tl_auto(tl_certificate) struct tl_certificate certificate = {.key_text = NULL};
	const struct place *place = *state;
	struct tl_err err = TL_ERR_INIT;
	char revoked[4096];

	assert_int_equal(make(place, "-I x -n erin", &certificate, &err), 0);
	snprintf(revoked, sizeof revoked, "key %s\n", certificate.key_text);
	assert_int_equal(tl_certificate_judge(&certificate,
					      &(struct tl_certificate_rules){
						      .authorities = place->authority,
						      .revoked = revoked,
						      .now_s = time(NULL),
					      },
					      &err),
			 TL_EAUTH);
}

static void what_is_not_for_users_here_is_not_read(void **state)
{
	static const char *const args[] = {"-I x -n host -h", "-I x -n erin -O force-command=true",
					   "-I x -n erin -O critical:new@example.org=1"};

	for (size_t i = 0; i < TL_ARRAY_LEN(args); i++) {
		tl_auto(tl_certificate) struct tl_certificate certificate = {.key_text = NULL};
		struct tl_err err = TL_ERR_INIT;

		assert_int_equal(make(*state, args[i], &certificate, &err), TL_EUNSUPPORTED);
	}
}

static void without_its_extension_nothing_is_permitted(void **state)
{
	tl_auto(tl_certificate) struct tl_certificate certificate = {.key_text = NULL};
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(make(*state, "-I x -n erin -O clear", &certificate, &err), 0);
	assert_false(certificate.permits_pty || certificate.permits_forwarding ||
		     certificate.permits_agent);
}

static void no_byte_can_be_changed(void **state)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX);

	sh(*state, "ssh-keygen -q -s ca -I x -n erin -O source-address=192.0.2.0/24 key.pub");
	load(*state, &blob);
	for (size_t i = 0; i < blob.len; i++) {
		tl_auto(tl_certificate) struct tl_certificate certificate = {.key_text = NULL};
		struct tl_err err = TL_ERR_INIT;

		blob.data[i] ^= 1;
		assert_true(tl_certificate_read(blob.data, blob.len, &certificate, &err) < 0);
		blob.data[i] ^= 1;
		if (i + 1 == blob.len)
			assert_string_equal(tl_err_text(&err),
					    "the certificate's signature: the signature is not "
					    "valid");
	}
}

static void a_cut_certificate_is_refused(void **state)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX);

	sh(*state, "ssh-keygen -q -s ca -I x -n erin key.pub");
	load(*state, &blob);
	for (size_t len = 0; len < blob.len; len++) {
		tl_auto(tl_certificate) struct tl_certificate certificate = {.key_text = NULL};
		struct tl_err err = TL_ERR_INIT;
		char *exact = malloc(len ? len : 1);

		assert_non_null(exact);
		memcpy(exact, blob.data, len);
		assert_true(tl_certificate_read(exact, len, &certificate, &err) < 0);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_ssh_keygen_signed_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_kind_of_key_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_good_certificate_is_accepted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_reason_to_refuse_is_one_sentence, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_source_address_that_fits_lets_in, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_revoked_key_is_known_without_its_certificate,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_for_users_here_is_not_read, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(without_its_extension_nothing_is_permitted, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(no_byte_can_be_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cut_certificate_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
