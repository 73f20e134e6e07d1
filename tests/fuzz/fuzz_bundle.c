/* A bundle from outside: whatever the bytes are, the check answers and nothing breaks. The input is a
 * tar; what is compressed already is taken as it is, so that both layers are reached. */
#include <archive.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <towline/bundle.h>
#include <zstd.h>

#define ZSTD_MAGIC "\x28\xb5\x2f\xfd"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const void *bytes, size_t len)
{
	static const struct tl_bundle_limits limits = {1 << 20, 8 << 20, 1000, 1000};
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	tl_fd int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct tl_err err = TL_ERR_INIT;

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
		return;
	if (tl_bundle_check(fd, &limits, &facts, &err) < 0 && !err.text[0])
		abort(); /* every refusal has its sentence */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = ZSTD_compressBound(size);
	tl_free void *packed = NULL;
	size_t len;

	check(data, size);
	if (size >= 4 && memcmp(data, ZSTD_MAGIC, 4) == 0)
		return 0;
	packed = malloc(room);
	if (!packed)
		return 0;
	len = ZSTD_compress(packed, room, data, size, 1);
	if (!ZSTD_isError(len))
		check(packed, len);
	return 0;
}
