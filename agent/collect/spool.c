#include "collect/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <towline/crypto.h>
#include <towline/fs.h>

#define BLOCK 16 /* of AES */
#define KEY_LEN 32
#define PIECE (64 * 1024)

/* The file holds what memory does not: its byte 0 is the spool's byte SPOOL_MEMORY. */
struct spool {
	int fd; /* -1: not needed yet */
	uint64_t size;
	uint8_t *memory;
	EVP_CIPHER_CTX *cipher; /* AES-256-CTR over the file; NULL: as it is */
	uint8_t key[KEY_LEN];
	uint64_t generation; /* each reset begins a new key stream */
	uint8_t piece[PIECE];
};

int spool_new(bool sealed, struct spool **ret_spool, struct tl_err *err)
{
	tl_auto(spool) struct spool *spool = calloc(1, sizeof *spool);

	if (spool) {
		spool->fd = -1;
		spool->memory = malloc(SPOOL_MEMORY);
		spool->cipher = sealed ? EVP_CIPHER_CTX_new() : NULL;
	}
	if (!spool || !spool->memory || (sealed && !spool->cipher))
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	if (sealed)
		tl_random(spool->key, sizeof spool->key);
	*ret_spool = tl_steal(&spool);
	return 0;
}

static int open_file(struct spool *spool, struct tl_err *err)
{
	const char *dir = getenv("TMPDIR");

	if (spool->fd >= 0)
		return 0;
	if (dir)
		spool->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (spool->fd < 0)
		spool->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (spool->fd < 0)
		spool->fd = memfd_create("towline-spool", MFD_CLOEXEC);
	return spool->fd < 0 ? tl_err_sys(err, TL_EIO, errno,
					  "no temporary file can be made in TMPDIR or /tmp")
			     : 0;
}

/* The key stream at a place of the file is that of AES-CTR with the counter of its block, so that any
 * part can be read by itself. No place has two contents under one stream: `generation` sees to it. */
static int mask(struct spool *spool, uint64_t at, const uint8_t *in, uint8_t *out, size_t len)
{
	uint8_t counter[BLOCK], skipped[BLOCK] = {0};
	uint64_t block = at / BLOCK;
	int skip = (int)(at % BLOCK), got;

	for (int i = 0; i < 8; i++) {
		counter[i] = (uint8_t)(spool->generation >> (56 - 8 * i));
		counter[8 + i] = (uint8_t)(block >> (56 - 8 * i));
	}
	if (EVP_EncryptInit_ex(spool->cipher, EVP_aes_256_ctr(), NULL, spool->key, counter) != 1 ||
	    (skip && EVP_EncryptUpdate(spool->cipher, skipped, &got, skipped, skip) != 1) ||
	    EVP_EncryptUpdate(spool->cipher, out, &got, in, (int)len) != 1)
		return TL_EINTERNAL;
	return 0;
}

static int write_file(struct spool *spool, const uint8_t *bytes, size_t len, struct tl_err *err)
{
	int r = open_file(spool, err);

	while (r == 0 && len > 0) {
		uint64_t at = spool->size - SPOOL_MEMORY;
		const uint8_t *from = bytes;
		size_t part = len < PIECE || !spool->cipher ? len : PIECE;

		if (spool->cipher) {
			if (mask(spool, at, bytes, spool->piece, part) < 0)
				return tl_err_set(err, TL_EINTERNAL,
						  "the temporary file cannot be encrypted");
			from = spool->piece;
		}
		r = tl_fs_write_all(spool->fd, from, part, err);
		if (r < 0)
			return tl_err_prefix(err, "the temporary file");
		spool->size += part;
		bytes += part;
		len -= part;
	}
	return r;
}

int spool_write(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct spool *spool = arg;
	size_t fits = 0;

	if (len > 0 && spool->size < SPOOL_MEMORY) {
		fits = SPOOL_MEMORY - spool->size < len ? SPOOL_MEMORY - spool->size : len;
		memcpy(spool->memory + spool->size, bytes, fits);
		spool->size += fits;
	}
	return write_file(spool, (const uint8_t *)bytes + fits, len - fits, err);
}

uint64_t spool_size(const struct spool *spool)
{
	return spool->size;
}

static int read_file(struct spool *spool, uint64_t at, uint8_t *bytes, size_t len,
		     struct tl_err *err)
{
	while (len > 0) {
		ssize_t n = pread(spool->fd, bytes, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return tl_err_sys(err, TL_EIO, n < 0 ? errno : EIO,
					  "the temporary file cannot be read");
		if (spool->cipher && mask(spool, at, bytes, bytes, (size_t)n) < 0)
			return tl_err_set(err, TL_EINTERNAL,
					  "the temporary file cannot be decrypted");
		at += (uint64_t)n;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

int spool_read(struct spool *spool, uint64_t offset, void *bytes, size_t len, struct tl_err *err)
{
	uint8_t *to = bytes;
	size_t near = 0;

	if (offset > spool->size || len > spool->size - offset)
		return tl_err_set(err, TL_EINTERNAL, "the temporary file ends too early");
	if (len > 0 && offset < SPOOL_MEMORY) {
		near = SPOOL_MEMORY - offset < len ? SPOOL_MEMORY - offset : len;
		memcpy(to, spool->memory + offset, near);
	}
	if (near == len)
		return 0;
	return read_file(spool, offset + near - SPOOL_MEMORY, to + near, len - near, err);
}

int spool_reset(struct spool *spool, struct tl_err *err)
{
	if (spool->fd >= 0 && spool->size > SPOOL_MEMORY &&
	    (ftruncate(spool->fd, 0) < 0 || lseek(spool->fd, 0, SEEK_SET) < 0))
		return tl_err_sys(err, TL_EIO, errno, "the temporary file cannot be emptied");
	spool->size = 0;
	spool->generation++;
	return 0;
}

void spool_free(struct spool *spool)
{
	if (!spool)
		return;
	if (spool->fd >= 0)
		close(spool->fd);
	EVP_CIPHER_CTX_free(spool->cipher);
	if (spool->memory)
		tl_wipe(spool->memory, SPOOL_MEMORY);
	free(spool->memory);
	tl_wipe(spool, sizeof *spool);
	free(spool);
}
