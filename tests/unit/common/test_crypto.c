#include "scratch.h"
#include "tests.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <towline/crypto.h>
#include <towline/str.h>

static void sha256_agrees_with_fips_180(void **state TL_UNUSED)
{
	char hex[TL_SHA256_HEX];

	tl_sha256_hex_of("abc", 3, hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	tl_sha256_hex_of("", 0, hex);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void a_running_hash_can_be_reused(void **state TL_UNUSED)
{
	tl_auto(tl_sha256) struct tl_sha256 *hash = tl_sha256_new();
	uint8_t running[TL_SHA256_LEN], whole[TL_SHA256_LEN];

	tl_sha256_update(hash, "a", 1);
	tl_sha256_update(hash, "bc", 2);
	tl_sha256_final(hash, running);
	tl_sha256_of("abc", 3, whole);
	assert_memory_equal(running, whole, TL_SHA256_LEN);
	tl_sha256_final(hash, running);
	tl_sha256_of("", 0, whole);
	assert_memory_equal(running, whole, TL_SHA256_LEN);
}

static void random_bytes_differ(void **state TL_UNUSED)
{
	uint8_t a[600] = {0}, b[600] = {0};

	tl_random(a, sizeof a);
	tl_random(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
	assert_memory_not_equal(a + 568, b + 568, 32);
	tl_wipe(a, sizeof a);
	memset(b, 0, sizeof b);
	assert_memory_equal(a, b, sizeof a);
}

/* RFC 8032 §7.1, tests 1 to 3. The private halves as PKCS#8 (RFC 8410 §7): a fixed prefix and the seed. */
static const struct {
	const char *seed, *public, *message, *signature;
	size_t message_len;
} vectors[] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	 "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
	 "cf9b"
	 "46bd25bf5f0595bbe24655141438e7a100b",
	 0},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	 "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
	 "0f11"
	 "d8c387b2eaeb4302aeeb00d291612bb0c00",
	 1},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	 "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	 "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
	 "84dc"
	 "6594a7c15e9716ed28dc027beceea1ec40a",
	 2},
};

static void write_seed(const char *dir, const char *seed_hex, char path[static 256])
{
	static const uint8_t prefix[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
					 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(500);
	uint8_t der[48];
	FILE *out;

	memcpy(der, prefix, sizeof prefix);
	assert_int_equal(tl_hex_decode(seed_hex, der + sizeof prefix, 32), 0);
	tl_buf_puts(&pem, "-----BEGIN PRIVATE KEY-----\n");
	tl_base64_encode(&pem, der, sizeof der);
	tl_buf_puts(&pem, "\n-----END PRIVATE KEY-----\n");
	snprintf(path, 256, "%s/seed.pem", dir);
	unlink(path);
	out = fopen(path, "w");
	assert_non_null(out);
	fchmod(fileno(out), 0600);
	fputs(tl_buf_str(&pem), out);
	fclose(out);
}

static void ed25519_agrees_with_rfc_8032(void **state)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(vectors); i++) {
		tl_auto(tl_key) struct tl_key *pair = NULL, *other = NULL;
		uint8_t public[32], own[32], message[2], signature[64], made[64];
		struct tl_err err = TL_ERR_INIT;
		char path[256];

		write_seed(*state, vectors[i].seed, path);
		assert_int_equal(tl_key_load(AT_FDCWD, path, &pair, &err), 0);
		assert_int_equal(tl_hex_decode(vectors[i].public, public, 32), 0);
		assert_int_equal(tl_hex_decode(vectors[i].message, message, vectors[i].message_len),
				 0);
		assert_int_equal(tl_hex_decode(vectors[i].signature, signature, 64), 0);
		tl_key_public(pair, own);
		assert_memory_equal(own, public, 32);
		assert_int_equal(tl_key_sign(pair, message, vectors[i].message_len, made), 0);
		assert_memory_equal(made, signature, 64);
		assert_int_equal(tl_key_from_public(public, &other, &err), 0);
		assert_int_equal(tl_key_verify(other, message, vectors[i].message_len, signature),
				 0);
		signature[5] ^= 1;
		assert_int_equal(tl_key_verify(other, message, vectors[i].message_len, signature),
				 TL_ESIG);
	}
}

static void a_public_key_cannot_sign(void **state TL_UNUSED)
{
	tl_auto(tl_key) struct tl_key *pair = NULL, *half = NULL;
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_SECRET_INIT(1000);
	uint8_t public[32], signature[64];
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_key_generate(&pair, &err), 0);
	tl_key_public(pair, public);
	assert_int_equal(tl_key_from_public(public, &half, &err), 0);
	assert_int_equal(tl_key_sign(half, "x", 1, signature), TL_EINVAL);
	assert_int_equal(tl_key_pem(half, &pem), TL_EINVAL);
}

/* RFC 8037 appendix A.3: the thumbprint of RFC 8032's first key. */
static void the_key_id_is_the_rfc_7638_thumbprint(void **state TL_UNUSED)
{
	tl_auto(tl_key) struct tl_key *key = NULL;
	char id[TL_KEY_ID_LEN + 1];
	uint8_t public[32];
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_hex_decode(vectors[0].public, public, 32), 0);
	assert_int_equal(tl_key_from_public(public, &key, &err), 0);
	tl_key_id(key, id);
	assert_string_equal(id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/* The blob as `ssh-keygen -l` reads it: length, name, length, 32 bytes. */
static void the_ssh_line_is_what_openssh_writes(void **state TL_UNUSED)
{
	tl_auto(tl_key) struct tl_key *key = NULL;
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(200), blob = TL_BUF_INIT(51);
	struct tl_err err = TL_ERR_INIT;
	uint8_t public[32];

	assert_int_equal(tl_key_generate(&key, &err), 0);
	tl_key_public(key, public);
	tl_key_ssh_line(key, "a comment", &line);
	assert_true(tl_str_starts(tl_buf_str(&line), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"));
	assert_true(tl_str_ends(tl_buf_str(&line), " a comment"));
	assert_int_equal(tl_base64_decode(&blob, line.data + 12, 68), 0);
	assert_memory_equal(blob.data + 19, public, 32);
}

static void a_saved_key_comes_back(void **state)
{
	tl_auto(tl_key) struct tl_key *key = NULL, *back = NULL;
	tl_fd int dir = open(*state, O_RDONLY | O_DIRECTORY);
	struct tl_err err = TL_ERR_INIT;
	uint8_t a[32], b[32];
	struct stat st;

	assert_int_equal(tl_key_generate(&key, &err), 0);
	assert_int_equal(tl_key_save(key, dir, "key.pem", &err), 0);
	assert_int_equal(fstatat(dir, "key.pem", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(tl_key_load(dir, "key.pem", &back, &err), 0);
	tl_key_public(key, a);
	tl_key_public(back, b);
	assert_memory_equal(a, b, 32);
	assert_int_equal(tl_key_save(key, dir, "key.pem", &err), TL_EEXIST);
}

static void a_key_that_others_can_read_is_refused(void **state)
{
	tl_auto(tl_key) struct tl_key *key = NULL;
	struct tl_err err = TL_ERR_INIT;
	char path[256];

	write_seed(*state, vectors[0].seed, path);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(tl_key_load(AT_FDCWD, path, &key, &err), TL_EACCES);
	assert_says(&err, "chmod 600");
	assert_null(key);
}

static void something_else_is_no_key(void **state)
{
	tl_auto(tl_key) struct tl_key *key = NULL;
	struct tl_err err = TL_ERR_INIT;
	char path[256];
	FILE *out;

	write_seed(*state, vectors[0].seed, path);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", out);
	fclose(out);
	assert_int_equal(tl_key_load(AT_FDCWD, path, &key, &err), TL_EINVAL);
	assert_says(&err, "not an unencrypted Ed25519");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_agrees_with_fips_180),
		cmocka_unit_test(a_running_hash_can_be_reused),
		cmocka_unit_test(random_bytes_differ),
		cmocka_unit_test_setup_teardown(ed25519_agrees_with_rfc_8032, scratch_set_up,
						scratch_tear_down),
		cmocka_unit_test(a_public_key_cannot_sign),
		cmocka_unit_test(the_key_id_is_the_rfc_7638_thumbprint),
		cmocka_unit_test(the_ssh_line_is_what_openssh_writes),
		cmocka_unit_test_setup_teardown(a_saved_key_comes_back, scratch_set_up,
						scratch_tear_down),
		cmocka_unit_test_setup_teardown(a_key_that_others_can_read_is_refused,
						scratch_set_up, scratch_tear_down),
		cmocka_unit_test_setup_teardown(something_else_is_no_key, scratch_set_up,
						scratch_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
