/* ssh-keygen makes the lists, and is the oracle for what they revoke. */
#include "ssh/krl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/attr.h>
#include <towline/str.h>
#include <unistd.h>

#include <cmocka.h>

#include "ssh/certificate.h"

struct place {
	char dir[64];
	struct tl_buf key, authority; /* blobs of DIR/key.pub and DIR/ca.pub */
};

static int sh(const struct place *place, const char *command)
{
	char line[2048];

	snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", place->dir, command);
	return system(line);
}

static void read_file(const struct place *place, const char *name, struct tl_buf *out)
{
	char path[128], bytes[16384];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", place->dir, name);
	file = fopen(path, "r");
	assert_non_null(file);
	tl_buf_reset(out);
	tl_buf_append(out, bytes, fread(bytes, 1, sizeof bytes, file));
	fclose(file);
	assert_int_equal(tl_buf_check(out), 0);
}

static void read_key(const struct place *place, const char *name, struct tl_buf *blob)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(16384);

	*blob = (struct tl_buf)TL_BUF_INIT(4096);
	read_file(place, name, &line);
	assert_int_equal(tl_sshkey_of_line(tl_buf_str(&line), blob, NULL), 0);
}

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	assert_non_null(place);
	snprintf(place->dir, sizeof place->dir, "/tmp/towline-krl-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	assert_int_equal(sh(place, "for k in ca other key; do ssh-keygen -q -t ed25519 -N '' -f $k "
				   "|| exit 1; done"),
			 0);
	read_key(place, "key.pub", &place->key);
	read_key(place, "ca.pub", &place->authority);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	sh(place, "rm -rf \"$PWD\"");
	tl_buf_clear(&place->key);
	tl_buf_clear(&place->authority);
	free(place);
	return 0;
}

static struct tl_ssh_string bytes_of(const struct tl_buf *buf)
{
	return (struct tl_ssh_string){(const uint8_t *)buf->data, buf->len};
}

/* Makes DIR/krl of a specification, by authority `ca` ("": of any). */
static void make(const struct place *place, const char *ca, const char *specification,
		 struct tl_buf *krl)
{
	char command[1024];

	snprintf(command, sizeof command, "printf '%s' >spec && ssh-keygen -q -k -f krl %s%s spec",
		 specification, *ca ? "-s " : "", ca);
	assert_int_equal(sh(place, command), 0);
	read_file(place, "krl", krl);
	assert_true(tl_krl_is(krl->data, krl->len));
}

static bool is_revoked(const struct place *place, const struct tl_buf *krl, uint64_t serial,
		       const char *key_id)
{
	struct tl_krl_query query = {.key = bytes_of(&place->key),
				     .authority = bytes_of(&place->authority),
				     .serial = serial,
				     .key_id = key_id};
	struct tl_err err = TL_ERR_INIT;
	int r = tl_krl_check(krl->data, krl->len, &query, &err);

	if (r != 0 && !strstr(tl_err_text(&err), "names it"))
		fail_msg("%s", tl_err_text(&err));
	return r != 0;
}

/* ssh-keygen writes lists, ranges and bitmaps, whichever is the shortest. */
static void serials_are_found_however_they_are_written(void **state)
{
	static const struct {
		const char *specification;
		uint64_t from, to, step;
	} cases[] = {
		{"serial: 5\\n", 5, 5, 1},
		{"serial: 10-90\\n", 10, 90, 1},
		{"serial: 3\\nserial: 6\\nserial: 9\\nserial: 12\\nserial: 15\\nserial: "
		 "18\\nserial: 21\\n",
		 3, 21, 3},
		{"serial: 9000000000000000000\\n", 9000000000000000000u, 9000000000000000000u, 1},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(cases); i++) {
		tl_auto(tl_buf) struct tl_buf krl = TL_BUF_INIT(16384);

		make(*state, "ca.pub", cases[i].specification, &krl);
		for (uint64_t serial = 1; serial < 130; serial++) {
			bool listed = serial >= cases[i].from && serial <= cases[i].to &&
				      (serial - cases[i].from) % cases[i].step == 0;

			assert_int_equal(is_revoked(*state, &krl, serial, "x"), listed);
		}
		assert_true(is_revoked(*state, &krl, cases[i].to, "x"));
	}
}

static void another_authoritys_serials_are_its_own(void **state)
{
	tl_auto(tl_buf) struct tl_buf krl = TL_BUF_INIT(16384);

	make(*state, "other.pub", "serial: 5\\nid: erin\\n", &krl);
	assert_false(is_revoked(*state, &krl, 5, "erin"));
}

static void key_ids_are_found(void **state)
{
	tl_auto(tl_buf) struct tl_buf krl = TL_BUF_INIT(16384);

	make(*state, "ca.pub", "id: erin at home\\nid: mary\\n", &krl);
	assert_true(is_revoked(*state, &krl, 1, "erin at home"));
	assert_true(is_revoked(*state, &krl, 1, "mary"));
	assert_false(is_revoked(*state, &krl, 1, "erin"));
}

static void keys_are_found_by_blob_and_hash_and_so_are_authorities(void **state)
{
	static const char *const ways[] = {"key", "sha1", "sha256"};
	static const char *const files[] = {"key.pub", "ca.pub", "other.pub"};

	for (size_t i = 0; i < TL_ARRAY_LEN(ways) * TL_ARRAY_LEN(files); i++) {
		tl_auto(tl_buf) struct tl_buf krl = TL_BUF_INIT(16384);
		char command[256];

		snprintf(command, sizeof command,
			 "echo \"%s: $(cat %s)\" >spec && ssh-keygen -q -k -f krl spec",
			 ways[i / 3], files[i % 3]);
		assert_int_equal(sh(*state, command), 0);
		read_file(*state, "krl", &krl);
		assert_int_equal(is_revoked(*state, &krl, 1, "x"), i % 3 < 2);
	}
}

static void a_plain_key_has_no_serial(void **state)
{
	const struct place *place = *state;
	tl_auto(tl_buf) struct tl_buf krl = TL_BUF_INIT(16384);
	struct tl_krl_query query = {.key = bytes_of(&place->key), .key_id = ""};
	struct tl_err err = TL_ERR_INIT;

	make(place, "ca.pub", "serial: 1-100\\nid: x\\n", &krl);
	assert_int_equal(tl_krl_check(krl.data, krl.len, &query, &err), 0);
	assert_false(is_revoked(place, &krl, 0, "y"));
	assert_int_equal(sh(place, "ssh-keygen -q -k -f krl key.pub"), 0);
	read_file(place, "krl", &krl);
	assert_int_equal(tl_krl_check(krl.data, krl.len, &query, &err), TL_EAUTH);
}

static void ssh_keygen_says_the_same_of_certificates(void **state)
{
	const struct place *place = *state;
	tl_auto(tl_buf) struct tl_buf krl = TL_BUF_INIT(16384);

	make(place, "ca.pub", "serial: 2\\nserial: 4-6\\nid: id-9\\n", &krl);
	for (unsigned serial = 1; serial <= 9; serial++) {
		char command[256], key_id[16];

		snprintf(key_id, sizeof key_id, "id-%u", serial);
		snprintf(command, sizeof command,
			 "ssh-keygen -q -s ca -I %s -n erin -z %u key.pub && ssh-keygen -Q -f krl "
			 "key-cert.pub",
			 key_id, serial);
		assert_int_equal(is_revoked(place, &krl, serial, key_id), sh(place, command) != 0);
	}
}

static void a_list_that_is_cut_or_changed_at_its_ends_lets_nobody_in(void **state)
{
	const struct place *place = *state;
	tl_auto(tl_buf) struct tl_buf krl = TL_BUF_INIT(16384);
	struct tl_krl_query query = {.key = bytes_of(&place->key), .key_id = ""};
	struct tl_err err = TL_ERR_INIT;

	make(place, "ca.pub", "serial: 5\\nid: erin\\n", &krl);
	assert_int_equal(tl_krl_check(krl.data, krl.len, &query, &err), 0);
	for (size_t len = 0; len < krl.len; len++) {
		char *exact = malloc(len ? len : 1);

		assert_non_null(exact);
		memcpy(exact, krl.data, len);
		/* Without any section it is a list of nothing. */
		if (len != 8 + 4 + 3 * 8 + 2 * 4)
			assert_int_equal(tl_krl_check(exact, len, &query, &err), TL_EAUTH);
		free(exact);
	}
	tl_buf_putc(&krl, 1);
	assert_int_equal(tl_krl_check(krl.data, krl.len, &query, &err), TL_EAUTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(serials_are_found_however_they_are_written, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_authoritys_serials_are_its_own, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(key_ids_are_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			keys_are_found_by_blob_and_hash_and_so_are_authorities, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_plain_key_has_no_serial, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ssh_keygen_says_the_same_of_certificates, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			a_list_that_is_cut_or_changed_at_its_ends_lets_nobody_in, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
