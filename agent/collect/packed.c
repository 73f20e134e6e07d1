#include "collect/packed.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <towline/str.h>

#define BLOCK (64 * 1024)

static const struct {
	enum packed_kind kind;
	size_t at, len;
	const char *bytes;
} magics[] = {
	{PACKED_FILE, 0, 3, "\x1f\x8b\x08"}, /* gzip, RFC 1952 */
	{PACKED_FILE, 0, 6,
	 "\xfd"
	 "7zXZ\0"},				 /* xz */
	{PACKED_FILE, 0, 4, "\x28\xb5\x2f\xfd"}, /* zstd, RFC 8878 */
	{PACKED_FILE, 0, 3, "BZh"},		 /* bzip2 */
	{PACKED_FILE, 0, 4, "\x04\x22\x4d\x18"}, /* lz4 frames */
	{PACKED_ARCHIVE, 0, 4, "PK\x03\x04"},	 /* zip, jar */
	{PACKED_ARCHIVE, 257, 5, "ustar"},	 /* tar */
	{PACKED_ARCHIVE, 0, 6, "7z\xbc\xaf\x27\x1c"},
	{PACKED_ARCHIVE, 0, 8, "!<arch>\n"},	    /* ar, deb */
	{PACKED_ARCHIVE, 0, 4, "\xed\xab\xee\xdb"}, /* rpm */
	{PACKED_ARCHIVE, 0, 6, "070701"},	    /* cpio */
};

static const char *const suffixes[] = {".gz", ".xz", ".zst", ".bz2", ".lz4"};

enum packed_kind packed_kind(const void *head, size_t len)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(magics); i++)
		if (len >= magics[i].at + magics[i].len &&
		    memcmp((const char *)head + magics[i].at, magics[i].bytes, magics[i].len) == 0)
			return magics[i].kind;
	return PACKED_NOT;
}

size_t packed_stem(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < TL_ARRAY_LEN(suffixes); i++)
		if (tl_str_ends(name, suffixes[i]) && len > strlen(suffixes[i]))
			return len - strlen(suffixes[i]);
	return len;
}

struct packed {
	int fd;
	int64_t taken, given;
	bool ended, limited;
	struct archive *archive;
	char block[BLOCK];
};

static la_ssize_t on_read(struct archive *archive, void *arg, const void **ret_bytes)
{
	struct packed *packed = arg;
	ssize_t n = pread(packed->fd, packed->block, sizeof packed->block, packed->taken);

	if (n < 0) {
		archive_set_error(archive, errno, "it cannot be read");
		return ARCHIVE_FATAL;
	}
	packed->taken += n;
	*ret_bytes = packed->block;
	return n;
}

static int fault(const struct packed *packed, struct tl_err *err)
{
	const char *text = archive_error_string(packed->archive);

	return tl_err_set(err, TL_EIO, "it cannot be unpacked: %s", text ? text : "it is damaged");
}

/* Each filter is the library's own: one that would start a program answers ARCHIVE_WARN. */
static bool add_filters(struct archive *archive)
{
	return archive_read_support_filter_gzip(archive) == ARCHIVE_OK &&
	       archive_read_support_filter_xz(archive) == ARCHIVE_OK &&
	       archive_read_support_filter_zstd(archive) == ARCHIVE_OK &&
	       archive_read_support_filter_bzip2(archive) == ARCHIVE_OK &&
	       archive_read_support_filter_lz4(archive) == ARCHIVE_OK &&
	       archive_read_support_format_raw(archive) == ARCHIVE_OK &&
	       archive_read_support_format_empty(archive) == ARCHIVE_OK;
}

int packed_open(int fd, struct packed **ret_packed, struct tl_err *err)
{
	tl_auto(packed) struct packed *packed = calloc(1, sizeof *packed);
	struct archive_entry *entry;
	int r;

	if (packed)
		packed->archive = archive_read_new();
	if (!packed || !packed->archive)
		return tl_err_set(err, TL_ENOMEM, "out of memory for unpacking");
	packed->fd = fd;
	if (!add_filters(packed->archive))
		return tl_err_set(err, TL_EUNSUPPORTED, "it cannot be unpacked by this program");
	if (archive_read_open(packed->archive, packed, NULL, on_read, NULL) != ARCHIVE_OK)
		return fault(packed, err);
	r = archive_read_next_header(packed->archive, &entry);
	if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
		return fault(packed, err);
	packed->ended = r == ARCHIVE_EOF;
	*ret_packed = tl_steal(&packed);
	return 0;
}

static bool is_beyond(const struct packed *packed)
{
	return packed->given >= PACKED_BYTES_MAX ||
	       (packed->given > 1 << 20 && packed->given / PACKED_RATIO_MAX > packed->taken);
}

ssize_t packed_read(struct packed *packed, void *bytes, size_t len, struct tl_err *err)
{
	la_ssize_t n = 0;

	if (!packed->ended && is_beyond(packed))
		packed->ended = packed->limited = true;
	if (packed->ended)
		return 0;
	n = archive_read_data(packed->archive, bytes, len);
	if (n < 0)
		return fault(packed, err);
	packed->ended = n == 0;
	packed->given += n;
	return n;
}

bool packed_is_limited(const struct packed *packed)
{
	return packed->limited;
}

void packed_free(struct packed *packed)
{
	if (!packed)
		return;
	if (packed->archive)
		archive_read_free(packed->archive);
	free(packed);
}
