#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <towline/bundle.h>
#include <towline/bundle_inspect.h>
#include <towline/fs.h>
#include <towline/jwt.h>
#include <towline/str.h>

#include "forge.h"
#include "keys.h"

static struct tl_err err;

static uint64_t search(const char *text, bool is_regex, char **ret_text)
{
	tl_fd int fd = forge_finish(forge_sound());
	struct tl_bundle_search what = {.text = text, .is_regex = is_regex};
	size_t len = 0;
	uint64_t found = 0;
	FILE *out = open_memstream(ret_text, &len);

	assert_int_equal(tl_bundle_search(fd, &what, out, &found, &err), 0);
	fclose(out);
	return found;
}

static void text_is_found_with_file_and_line(void **state TL_UNUSED)
{
	tl_free char *text = NULL;

	assert_int_equal(search("ell", false, &text), 1);
	assert_string_equal(text, "data/a.txt:1: hello\n");
}

static void expression_is_found(void **state TL_UNUSED)
{
	tl_free char *text = NULL;

	assert_int_equal(search("^h.*o$", true, &text), 1);
	assert_string_equal(text, "data/a.txt:1: hello\n");
}

static void what_is_not_there_is_not_found(void **state TL_UNUSED)
{
	tl_free char *text = NULL;

	assert_int_equal(search("h.*o", false, &text), 0);
}

static void expression_that_does_not_compile_is_refused(void **state TL_UNUSED)
{
	tl_fd int fd = forge_finish(forge_sound());
	struct tl_bundle_search what = {.text = "(", .is_regex = true};
	uint64_t found;

	assert_int_equal(tl_bundle_search(fd, &what, stdout, &found, &err), TL_EINVAL);
	assert_non_null(strstr(tl_err_text(&err), "the expression \"(\" is not valid"));
}

static void findings_of_a_stranger_cannot_steer_a_terminal(void **state TL_UNUSED)
{
	static const char results[] = "{\"schema\":1,\"results\":[{\"severity\":\"\\u001bc\","
				      "\"summary\":\"\\u001b[2J\"}]}";
	struct forge *forge = forge_new();
	tl_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	tl_fd int fd = -1;

	forge_manifest(forge);
	forge_file(forge, FORGE_ID "/analysis/results.json", results, strlen(results), true);
	forge_reports(forge);
	forge_index(forge);
	fd = forge_finish(forge);
	assert_int_equal(tl_bundle_inspect(fd, out, false, &err), 0);
	fclose(out);
	assert_non_null(strstr(text, "1 findings"));
	assert_null(strchr(text, '\033'));
}

static void member_is_shown_as_it_is(void **state TL_UNUSED)
{
	tl_fd int fd = forge_finish(forge_sound());
	tl_fd int to = memfd_create("out", MFD_CLOEXEC);
	FILE *out = fdopen(dup(to), "w");
	char text[16] = "";

	assert_int_equal(tl_bundle_show(fd, "data/a.txt", out, &err), 0);
	fclose(out);
	assert_int_equal(pread(to, text, sizeof text, 0), 6);
	assert_string_equal(text, "hello\n");
}

static void missing_member_names_what_is_alike(void **state TL_UNUSED)
{
	tl_fd int fd = forge_finish(forge_sound());

	assert_int_equal(tl_bundle_show(fd, "a.txt", stdout, &err), TL_ENOENT);
	assert_string_equal(tl_err_text(&err), "the bundle has no member a.txt; it has data/a.txt");
}

static int to_fd(void *arg, const void *bytes, size_t len, struct tl_err *fault)
{
	return tl_fs_write_all(*(int *)arg, bytes, len, fault);
}

static int seal(const struct keys *keys)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC);
	tl_auto(tl_recipients) struct tl_recipients *recipients = NULL;
	tl_auto(tl_sealer) struct tl_sealer *sealer = NULL;
	size_t len;
	tl_free char *bytes = forge_bytes(forge_sound(), &len);

	assert_int_equal(tl_recipients_new(&recipients, &err), 0);
	assert_int_equal(tl_recipients_add(recipients, tl_buf_str(&keys->cert_pem), "c", &err), 0);
	assert_int_equal(tl_sealer_new(recipients, to_fd, &fd, &sealer, &err), 0);
	assert_int_equal(tl_sealer_write(sealer, bytes, len, &err), 0);
	assert_int_equal(tl_sealer_finish(sealer, &err), 0);
	return fd;
}

static void sealed_bundle_is_opened_with_its_key(void **state TL_UNUSED)
{
	tl_auto(keys) struct keys keys = {.cert_path = ""};
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	tl_fd int fd = -1, plain = -1;

	keys_make(KEYS_RSA, "Rita", &keys);
	fd = seal(&keys);
	assert_int_equal(tl_bundle_reopen(fd, "b",
					  &(struct tl_unseal_key){keys.key_path, keys.cert_path},
					  &plain, &err),
			 0);
	assert_int_equal(tl_bundle_check(plain, &tl_bundle_limits_default, &facts, &err), 0);
	assert_string_equal(facts.id, FORGE_ID);
}

static void sealed_bundle_without_key_names_recipient_and_remedy(void **state TL_UNUSED)
{
	tl_auto(keys) struct keys keys = {.cert_path = ""};
	tl_fd int fd = -1, plain = -1;

	keys_make(KEYS_RSA, "Rita", &keys);
	fd = seal(&keys);
	assert_int_equal(tl_bundle_reopen(fd, "b", NULL, &plain, &err), TL_EDENIED);
	assert_non_null(strstr(tl_err_text(&err), "CN=Rita serial 1267"));
	assert_non_null(strstr(tl_err_text(&err), "openssl cms -decrypt -inform DER"));
}

static void bundle_from_a_pipe_is_read_more_than_once(void **state TL_UNUSED)
{
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	size_t len;
	tl_free char *bytes = forge_bytes(forge_sound(), &len);
	tl_fd int plain = -1;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(tl_fs_write_all(ends[1], bytes, len, &err), 0);
	close(ends[1]);
	assert_int_equal(tl_bundle_reopen(ends[0], "b", NULL, &plain, &err), 0);
	close(ends[0]);
	for (int i = 0; i < 2; i++) {
		tl_bundle_facts_clear(&facts);
		lseek(plain, 0, SEEK_SET);
		assert_int_equal(tl_bundle_check(plain, &tl_bundle_limits_default, &facts, &err),
				 0);
	}
}

/* Signs the sound bundle, with `sha256` in place of its own when given, into a file. */
static void sign(const char *sha256, struct tl_key *key, char *path)
{
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(4096);
	tl_fd int fd = forge_finish(forge_sound());
	tl_json *claims = NULL;
	tl_fd int out = mkstemp(strcpy(path, "/tmp/towline-jws-XXXXXX"));

	assert_int_equal(tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err), 0);
	claims = json_pack("{s:s, s:s, s:s}", "bundle", facts.id, "sha256",
			   sha256 ? sha256 : facts.sha256, "index_sha256", facts.index_sha256);
	assert_int_equal(tl_jwt_sign(key, TL_JWT_BUNDLE, claims, &jws, &err), 0);
	assert_int_equal(tl_fs_write_all(out, jws.data, jws.len, &err), 0);
}

static int verify_as(const char *sha256, bool with_key, bool other_key)
{
	tl_auto(tl_key) struct tl_key *key = NULL, *other = NULL;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64);
	uint8_t public[TL_ED25519_PUBLIC_LEN];
	tl_fd int fd = forge_finish(forge_sound());
	char path[64];
	struct tl_bundle_signature signature = {.path = path};
	int r;

	assert_int_equal(tl_key_generate(&key, &err), 0);
	assert_int_equal(tl_key_generate(&other, &err), 0);
	sign(sha256, key, path);
	tl_key_public(other_key ? other : key, public);
	tl_base64url_encode(&text, public, sizeof public);
	signature.public_key = with_key ? tl_buf_str(&text) : NULL;
	r = tl_bundle_verify(fd, &signature, &err);
	unlink(path);
	return r;
}

static void signature_that_fits_verifies(void **state TL_UNUSED)
{
	assert_int_equal(verify_as(NULL, true, false), 0);
	assert_int_equal(verify_as(NULL, false, false), 0);
}

static void signature_of_another_bundle_or_key_does_not_verify(void **state TL_UNUSED)
{
	assert_int_equal(verify_as("00", true, false), TL_ESIG);
	assert_int_equal(verify_as(NULL, true, true), TL_ESIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_found_with_file_and_line),
		cmocka_unit_test(expression_is_found),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(expression_that_does_not_compile_is_refused),
		cmocka_unit_test(findings_of_a_stranger_cannot_steer_a_terminal),
		cmocka_unit_test(member_is_shown_as_it_is),
		cmocka_unit_test(missing_member_names_what_is_alike),
		cmocka_unit_test(sealed_bundle_is_opened_with_its_key),
		cmocka_unit_test(sealed_bundle_without_key_names_recipient_and_remedy),
		cmocka_unit_test(bundle_from_a_pipe_is_read_more_than_once),
		cmocka_unit_test(signature_that_fits_verifies),
		cmocka_unit_test(signature_of_another_bundle_or_key_does_not_verify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
