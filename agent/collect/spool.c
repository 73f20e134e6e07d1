#include "collect/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <towline/fs.h>
#include <towline/str.h>

int spool_init(struct spool *spool, struct tl_err *err)
{
	const char *dir = getenv("TMPDIR");

	*spool = (struct spool){.fd = -1};
	spool->hash = tl_sha256_new();
	if (dir)
		spool->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (spool->fd < 0)
		spool->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (spool->fd < 0)
		spool->fd = memfd_create("towline-spool", MFD_CLOEXEC);
	if (spool->fd < 0)
		return tl_err_sys(err, TL_EIO, errno,
				  "no temporary file can be made in TMPDIR or /tmp");
	return spool->hash ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
}

int spool_reset(struct spool *spool, struct tl_err *err)
{
	uint8_t digest[TL_SHA256_LEN];

	tl_sha256_final(spool->hash, digest);
	spool->bytes = 0;
	if (ftruncate(spool->fd, 0) < 0 || lseek(spool->fd, 0, SEEK_SET) < 0)
		return tl_err_sys(err, TL_EIO, errno, "the temporary file cannot be emptied");
	return 0;
}

int spool_write(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct spool *spool = arg;
	int r = tl_fs_write_all(spool->fd, bytes, len, err);

	if (r < 0) {
		tl_err_prefix(err, "the temporary file");
		return r;
	}
	spool->bytes += len;
	tl_sha256_update(spool->hash, bytes, len);
	return 0;
}

void spool_digest(struct spool *spool, char hex[static TL_SHA256_HEX])
{
	uint8_t digest[TL_SHA256_LEN];

	tl_sha256_final(spool->hash, digest);
	tl_hex_encode(digest, sizeof digest, hex);
}

void spool_clear(struct spool *spool)
{
	if (spool->fd >= 0)
		close(spool->fd);
	tl_sha256_free(spool->hash);
}
