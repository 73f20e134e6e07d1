/* What is known of a sealed file without its key. Part of towline/sealed.h. */
#include <towline/sealed.h>

#include <errno.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/str.h>

#define PIECE (64 * 1024)

/* Up to `room` bytes: fewer at the end only. */
static ssize_t read_some(int fd, uint8_t *bytes, size_t room)
{
	size_t len = 0;

	while (len < room) {
		ssize_t n = read(fd, bytes + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

bool tl_sealed_fd(int fd)
{
	uint8_t head[TL_SEALED_MAGIC];
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) != 0)
		return false;
	n = read_some(fd, head, sizeof head);
	return lseek(fd, 0, SEEK_SET) == 0 && n > 0 && tl_sealed_is(head, (size_t)n);
}

void tl_sealed_facts_clear(struct tl_sealed_facts *facts)
{
	json_decref(facts->recipients);
	facts->recipients = NULL;
}

static int hash_rest(int fd, uint64_t max_bytes, struct tl_sha256 *hash, uint64_t *bytes,
		     struct tl_err *err)
{
	tl_free uint8_t *piece = malloc(PIECE);
	ssize_t n;

	if (!piece)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	while ((n = read_some(fd, piece, PIECE)) > 0) {
		tl_sha256_update(hash, piece, (size_t)n);
		*bytes += (uint64_t)n;
		if (*bytes > max_bytes)
			return tl_err_set(err, TL_ETOOBIG, "the bundle is larger than %llu bytes",
					  (unsigned long long)max_bytes);
	}
	return n < 0 ? tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read") : 0;
}

int tl_sealed_check(int fd, uint64_t max_bytes, struct tl_sealed_facts *ret_facts,
		    struct tl_err *err)
{
	tl_auto(tl_sealed_facts) struct tl_sealed_facts facts = {.bytes = 0};
	tl_auto(tl_sha256) struct tl_sha256 *hash = tl_sha256_new();
	tl_free uint8_t *head = malloc(TL_SEALED_HEAD_MAX);
	uint8_t digest[TL_SHA256_LEN];
	ssize_t n = head ? read_some(fd, head, TL_SEALED_HEAD_MAX) : 0;
	int r;

	if (!head)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	if (n < 0)
		return tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read");
	facts.bytes = (uint64_t)n;
	tl_sha256_update(hash, head, (size_t)n);
	r = tl_sealed_recipients(head, (size_t)n, &facts.recipients, err);
	if (r == 0)
		r = hash_rest(fd, max_bytes, hash, &facts.bytes, err);
	if (r < 0)
		return r;
	tl_sha256_final(hash, digest);
	tl_hex_encode(digest, sizeof digest, facts.sha256);
	*ret_facts = facts;
	facts.recipients = NULL;
	return 0;
}
