#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>

#include <towline/crypto.h>
#include <towline/fs.h>
#include <towline/sealed.h>
#include <towline/str.h>

#include "keys.h"

static struct keys rsa, ec, stranger;
static struct tl_err err;

static int make_keys(void **state TL_UNUSED)
{
	keys_make(KEYS_RSA, "Rita", &rsa);
	keys_make(KEYS_EC, "Emil", &ec);
	keys_make(KEYS_RSA, "Stranger", &stranger);
	return 0;
}

static int clear_keys(void **state TL_UNUSED)
{
	keys_clear(&rsa);
	keys_clear(&ec);
	keys_clear(&stranger);
	return 0;
}

static int to_fd(void *arg, const void *bytes, size_t len, struct tl_err *fault)
{
	return tl_fs_write_all(*(int *)arg, bytes, len, fault);
}

static struct tl_recipients *both(void)
{
	struct tl_recipients *recipients = NULL;

	assert_int_equal(tl_recipients_new(&recipients, &err), 0);
	assert_int_equal(tl_recipients_add(recipients, tl_buf_str(&rsa.cert_pem), "rsa", &err), 0);
	assert_int_equal(tl_recipients_add(recipients, tl_buf_str(&ec.cert_pem), "ec", &err), 0);
	return recipients;
}

/* A nameless file with `text`, sealed to both, `times` over. */
static int seal(const char *text, size_t times)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC);
	tl_auto(tl_recipients) struct tl_recipients *recipients = both();
	tl_auto(tl_sealer) struct tl_sealer *sealer = NULL;

	assert_int_equal(tl_sealer_new(recipients, to_fd, &fd, &sealer, &err), 0);
	for (size_t i = 0; i < times; i++)
		assert_int_equal(tl_sealer_write(sealer, text, strlen(text), &err), 0);
	assert_int_equal(tl_sealer_finish(sealer, &err), 0);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static int open_with(int fd, const struct keys *keys, bool with_cert, char *text, size_t room)
{
	struct tl_unseal_key key = {keys->key_path, with_cert ? keys->cert_path : NULL};
	tl_fd int plain = -1;
	ssize_t n;
	int r;

	lseek(fd, 0, SEEK_SET);
	err = (struct tl_err)TL_ERR_INIT;
	r = tl_unseal(fd, &key, &plain, &err);
	if (r < 0)
		return r;
	n = read(plain, text, room - 1);
	text[n > 0 ? n : 0] = '\0';
	return 0;
}

static void each_recipient_opens_it(void **state TL_UNUSED)
{
	tl_fd int fd = seal("what happened", 1);
	char text[64];

	assert_int_equal(open_with(fd, &rsa, true, text, sizeof text), 0);
	assert_string_equal(text, "what happened");
	assert_int_equal(open_with(fd, &ec, true, text, sizeof text), 0);
	assert_string_equal(text, "what happened");
	assert_int_equal(open_with(fd, &rsa, false, text, sizeof text), 0);
	assert_string_equal(text, "what happened");
}

static void nobody_else_opens_it(void **state TL_UNUSED)
{
	tl_fd int fd = seal("what happened", 1);
	char text[64] = "";

	assert_int_equal(open_with(fd, &stranger, true, text, sizeof text), TL_EDENIED);
	assert_string_equal(text, "");
}

/* A tag of the encoding may be another and be read as the same: what is authenticated are contents. */
static void changed_byte_never_opens_to_another_text(void **state TL_UNUSED)
{
	static char before[65536], after[65536];
	tl_fd int fd = seal("0123456789abcdef", 2000);
	off_t size = lseek(fd, 0, SEEK_END);
	size_t opened = 0, tried = 0;

	assert_int_equal(open_with(fd, &rsa, true, before, sizeof before), 0);
	for (off_t at = size - 20000; at < size; at += 997, tried++) {
		char byte, changed;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		changed = (char)(byte ^ 1);
		assert_int_equal(pwrite(fd, &changed, 1, at), 1);
		if (open_with(fd, &rsa, true, after, sizeof after) == 0) {
			assert_string_equal(after, before);
			opened++;
		}
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_in_range(opened, 0, tried / 10);
}

static void file_that_is_cut_short_opens_nothing(void **state TL_UNUSED)
{
	tl_fd int fd = seal("0123456789abcdef", 2000);
	off_t size = lseek(fd, 0, SEEK_END);
	char text[64];

	for (off_t cut = 1; cut < size; cut += cut < 64 ? 1 : 1501) {
		assert_int_equal(ftruncate(fd, size - cut), 0);
		assert_true(open_with(fd, &rsa, true, text, sizeof text) < 0);
	}
}

static void unfinished_sealing_leaves_nothing_that_opens(void **state TL_UNUSED)
{
	tl_fd int fd = memfd_create("sealed", MFD_CLOEXEC);
	tl_auto(tl_recipients) struct tl_recipients *recipients = both();
	struct tl_sealer *sealer = NULL;
	char text[64];

	assert_int_equal(tl_sealer_new(recipients, to_fd, &fd, &sealer, &err), 0);
	assert_int_equal(tl_sealer_write(sealer, "secret", 6, &err), 0);
	tl_sealer_free(sealer);
	assert_true(open_with(fd, &rsa, true, text, sizeof text) < 0);
}

static void head_names_its_recipients(void **state TL_UNUSED)
{
	tl_fd int fd = seal("x", 1);
	uint8_t head[4096];
	ssize_t n = read(fd, head, sizeof head);
	tl_json *list = NULL;

	assert_true(tl_sealed_is(head, TL_SEALED_MAGIC));
	assert_int_equal(tl_sealed_recipients(head, (size_t)n, &list, &err), 0);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "issuer")),
			    "CN=Rita");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "serial")),
			    "1267");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "issuer")),
			    "CN=Emil");
}

static void head_that_is_cut_anywhere_is_refused(void **state TL_UNUSED)
{
	tl_fd int fd = seal("x", 1);
	uint8_t head[4096];
	size_t whole = 0, n = (size_t)read(fd, head, sizeof head);

	for (size_t len = 0; len <= n; len++) {
		tl_json *list = NULL;

		whole += tl_sealed_recipients(head, len, &list, NULL) == 0;
	}
	assert_in_range(whole, 1, n / 2);
}

static void zstd_is_not_sealed(void **state TL_UNUSED)
{
	assert_false(tl_sealed_is("\x28\xb5\x2f\xfd", 4));
	assert_false(tl_sealed_is("", 0));
}

static void key_that_nothing_can_be_sealed_to_is_refused(void **state TL_UNUSED)
{
	tl_auto(keys) struct keys ed25519 = {.cert_path = ""}, weak = {.cert_path = ""};
	tl_auto(tl_recipients) struct tl_recipients *recipients = NULL;

	keys_make(KEYS_ED25519, "Eve", &ed25519);
	keys_make(KEYS_RSA_SHORT, "Short", &weak);
	assert_int_equal(tl_recipients_new(&recipients, &err), 0);
	assert_int_equal(tl_recipients_add(recipients, tl_buf_str(&ed25519.cert_pem), "a.pem",
					   &err),
			 TL_EINVAL);
	assert_string_equal(tl_err_text(&err), "a.pem: nothing can be encrypted to this "
					       "certificate's key: take an RSA or an EC key");
	assert_int_equal(tl_recipients_add(recipients, tl_buf_str(&weak.cert_pem), "b.pem", &err),
			 TL_EINVAL);
	assert_int_equal(tl_recipients_add(recipients, "no PEM", "c.pem", &err), TL_EINVAL);
	assert_string_equal(tl_err_text(&err), "c.pem holds no certificate in PEM");
}

static int full(void *arg TL_UNUSED, const void *bytes TL_UNUSED, size_t len TL_UNUSED,
		struct tl_err *fault)
{
	return tl_err_set(fault, TL_ENOSPC, "the disk is full");
}

static void fault_of_the_output_is_told_as_it_is(void **state TL_UNUSED)
{
	tl_auto(tl_recipients) struct tl_recipients *recipients = both();
	tl_auto(tl_sealer) struct tl_sealer *sealer = NULL;
	int r;

	assert_int_equal(tl_sealer_new(recipients, full, NULL, &sealer, &err), 0);
	r = tl_sealer_write(sealer, "x", 1, &err);
	if (r == 0)
		r = tl_sealer_finish(sealer, &err);
	assert_int_equal(r, TL_ENOSPC);
	assert_string_equal(tl_err_text(&err), "the disk is full");
}

static int count_only(void *arg, const void *bytes TL_UNUSED, size_t len,
		      struct tl_err *fault TL_UNUSED)
{
	*(uint64_t *)arg += len;
	return 0;
}

static void two_hundred_megabytes_take_little_memory(void **state TL_UNUSED)
{
	static char piece[1 << 20];
	tl_auto(tl_recipients) struct tl_recipients *recipients = both();
	tl_auto(tl_sealer) struct tl_sealer *sealer = NULL;
	struct rusage before, after;
	uint64_t out = 0;

	assert_int_equal(tl_sealer_new(recipients, count_only, &out, &sealer, &err), 0);
	assert_int_equal(tl_sealer_write(sealer, piece, sizeof piece, &err), 0);
	getrusage(RUSAGE_SELF, &before);
	for (int i = 1; i < 200; i++)
		assert_int_equal(tl_sealer_write(sealer, piece, sizeof piece, &err), 0);
	assert_int_equal(tl_sealer_finish(sealer, &err), 0);
	getrusage(RUSAGE_SELF, &after);
	assert_true(out > 200u << 20);
	assert_true(after.ru_maxrss - before.ru_maxrss < 16 * 1024);
}

static void plain_openssl_opens_it(void **state TL_UNUSED)
{
	tl_fd int fd = seal("what happened\n", 3);
	char command[512], line[64] = "";
	FILE *out;

	snprintf(command, sizeof command,
		 "openssl cms -decrypt -binary -inform DER -in /proc/%d/fd/%d -inkey %s -recip %s",
		 getpid(), fd, ec.key_path, ec.cert_path);
	out = popen(command, "r");
	assert_non_null(out);
	assert_non_null(fgets(line, sizeof line, out));
	assert_string_equal(line, "what happened\n");
	assert_int_equal(pclose(out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_recipient_opens_it),
		cmocka_unit_test(nobody_else_opens_it),
		cmocka_unit_test(changed_byte_never_opens_to_another_text),
		cmocka_unit_test(file_that_is_cut_short_opens_nothing),
		cmocka_unit_test(unfinished_sealing_leaves_nothing_that_opens),
		cmocka_unit_test(head_names_its_recipients),
		cmocka_unit_test(head_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(zstd_is_not_sealed),
		cmocka_unit_test(key_that_nothing_can_be_sealed_to_is_refused),
		cmocka_unit_test(fault_of_the_output_is_told_as_it_is),
		cmocka_unit_test(two_hundred_megabytes_take_little_memory),
		cmocka_unit_test(plain_openssl_opens_it),
	};

	return cmocka_run_group_tests(tests, make_keys, clear_keys);
}
