#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "collect/spool.h"

#define BYTES (300 * 1024)

static struct tl_err err;
static uint8_t bytes[BYTES], back[BYTES];
static char sealed_spool[] = "sealed";

static int fill(void **state TL_UNUSED)
{
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	return 0;
}

static void write_in_pieces(struct spool *spool, size_t piece)
{
	for (size_t at = 0; at < BYTES; at += piece) {
		size_t len = BYTES - at < piece ? BYTES - at : piece;

		assert_int_equal(spool_write(spool, bytes + at, len, &err), 0);
	}
	assert_int_equal(spool_size(spool), BYTES);
}

static void check_parts(struct spool *spool)
{
	static const struct {
		size_t at, len;
	} parts[] = {{0, BYTES},   {0, 10},	   {SPOOL_MEMORY, 17}, {SPOOL_MEMORY - 3, 40},
		     {100001, 99}, {BYTES - 1, 1}, {BYTES, 0}};

	for (size_t i = 0; i < TL_ARRAY_LEN(parts); i++) {
		assert_int_equal(spool_read(spool, parts[i].at, back, parts[i].len, &err), 0);
		assert_memory_equal(back, bytes + parts[i].at, parts[i].len);
	}
}

static void any_part_reads_back(void **state TL_UNUSED)
{
	static const size_t pieces[] = {1000, 65536, BYTES};

	for (size_t i = 0; i < TL_ARRAY_LEN(pieces) * 2; i++) {
		tl_auto(spool) struct spool *spool = NULL;

		assert_int_equal(spool_new(i % 2, &spool, &err), 0);
		write_in_pieces(spool, pieces[i / 2]);
		check_parts(spool);
	}
}

static void more_than_was_written_is_not_read(void **state TL_UNUSED)
{
	tl_auto(spool) struct spool *spool = NULL;

	assert_int_equal(spool_new(false, &spool, &err), 0);
	assert_int_equal(spool_write(spool, bytes, 100, &err), 0);
	assert_int_equal(spool_read(spool, 90, back, 11, &err), TL_EINTERNAL);
	assert_int_equal(spool_read(spool, 101, back, 0, &err), TL_EINTERNAL);
}

static void spool_is_used_again_after_a_reset(void **state TL_UNUSED)
{
	tl_auto(spool) struct spool *spool = NULL;

	assert_int_equal(spool_new(true, &spool, &err), 0);
	write_in_pieces(spool, 4096);
	assert_int_equal(spool_reset(spool, &err), 0);
	assert_int_equal(spool_size(spool), 0);
	write_in_pieces(spool, 5000);
	check_parts(spool);
}

/* The file of a spool is one of this process's descriptors. */
static size_t count_in_files(const char *needle)
{
	size_t found = 0;

	for (int fd = 3; fd < 64; fd++) {
		ssize_t n = pread(fd, back, BYTES, 0);

		found += n > 0 && memmem(back, (size_t)n, needle, strlen(needle));
	}
	return found;
}

static void sealed_spool_leaves_no_plaintext_in_its_file(void **state)
{
	bool sealed = *state == sealed_spool;
	tl_auto(spool) struct spool *spool = NULL;
	static char text[BYTES];

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = "a canary of mine"[i % 16];
	assert_int_equal(spool_new(sealed, &spool, &err), 0);
	assert_int_equal(spool_write(spool, text, sizeof text, &err), 0);
	assert_int_equal(count_in_files("a canary of mine"), sealed ? 0 : 1);
	assert_int_equal(spool_read(spool, 0, back, BYTES, &err), 0);
	assert_memory_equal(back, text, BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_part_reads_back),
		cmocka_unit_test(more_than_was_written_is_not_read),
		cmocka_unit_test(spool_is_used_again_after_a_reset),
		cmocka_unit_test_prestate(sealed_spool_leaves_no_plaintext_in_its_file,
					  sealed_spool),
		cmocka_unit_test(sealed_spool_leaves_no_plaintext_in_its_file),
	};

	return cmocka_run_group_tests(tests, fill, NULL);
}
