#include "desk/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char secret[] = "twenty bytes of it.";

static struct tl_vault vault_of(uint8_t byte)
{
	struct tl_vault vault;

	memset(vault.key, byte, sizeof vault.key);
	return vault;
}

static void what_was_sealed_opens_for_the_same_one_alone(void **state)
{
	const struct tl_vault vault = vault_of(1), other = vault_of(2);
	tl_auto(tl_buf) struct tl_buf sealed = TL_BUF_INIT(1024);
	char open[sizeof secret];
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(tl_vault_seal(&vault, "erin", secret, sizeof secret, &sealed), 0);
	assert_null(strstr(tl_buf_str(&sealed), "twenty"));
	assert_int_equal(tl_vault_unseal(&vault, "erin", tl_buf_str(&sealed), open, sizeof open,
					 &err),
			 0);
	assert_string_equal(open, secret);
	assert_int_equal(tl_vault_unseal(&vault, "mary", tl_buf_str(&sealed), open, sizeof open,
					 &err),
			 TL_ESIG);
	assert_int_equal(tl_vault_unseal(&other, "erin", tl_buf_str(&sealed), open, sizeof open,
					 &err),
			 TL_ESIG);
}

static void no_character_of_it_can_be_changed(void **state)
{
	const struct tl_vault vault = vault_of(1);
	tl_auto(tl_buf) struct tl_buf sealed = TL_BUF_INIT(1024);
	char open[sizeof secret];
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(tl_vault_seal(&vault, "erin", secret, sizeof secret, &sealed), 0);
	for (size_t i = 0; i < sealed.len; i++) {
		char was = sealed.data[i];

		sealed.data[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(tl_vault_unseal(&vault, "erin", sealed.data, open, sizeof open,
						 &err),
				 TL_ESIG);
		sealed.data[i] = was;
	}
	sealed.data[sealed.len - 2] = '\0';
	assert_int_equal(tl_vault_unseal(&vault, "erin", sealed.data, open, sizeof open, &err),
			 TL_ESIG);
}

static void digests_differ_by_key_context_and_text(void **state)
{
	const struct tl_vault vault = vault_of(1), other = vault_of(2);
	char digests[4][TL_SHA256_HEX];

	(void)state;
	tl_vault_digest(&vault, "ab", "c", digests[0]);
	tl_vault_digest(&vault, "a", "bc", digests[1]);
	tl_vault_digest(&vault, "ab", "d", digests[2]);
	tl_vault_digest(&other, "ab", "c", digests[3]);
	for (size_t i = 1; i < 4; i++)
		assert_string_not_equal(digests[0], digests[i]);
}

static void the_key_is_made_once_and_must_be_private(void **state)
{
	char dir[] = "/tmp/towline-vault-XXXXXX", path[64];
	struct tl_vault first, second;
	struct tl_err err = TL_ERR_INIT;
	struct stat info;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/secrets.key", dir);
	assert_int_equal(tl_vault_open(path, &first, &err), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(tl_vault_open(path, &second, &err), 0);
	assert_memory_equal(first.key, second.key, sizeof first.key);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(tl_vault_open(path, &second, &err), TL_EACCES);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sealed_opens_for_the_same_one_alone),
		cmocka_unit_test(no_character_of_it_can_be_changed),
		cmocka_unit_test(digests_differ_by_key_context_and_text),
		cmocka_unit_test(the_key_is_made_once_and_must_be_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
