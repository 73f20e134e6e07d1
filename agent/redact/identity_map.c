#include "redact/identity_map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/str.h>

#define LOAD_MAX (2 * TL_IDENTITY_MAP_BYTES_MAX + 1024 * 1024)
#define REWRITE_BYTES (8 * 1024 * 1024) /* grown beyond this it is looked at for repetitions */
#define EMPTY UINT32_MAX

struct line {
	uint32_t start, len;	      /* in the text, without newline */
	uint32_t pseudonym, original; /* where the fields begin */
};

struct tl_identity_map {
	struct tl_buf text;
	struct line *lines;
	size_t count;
	uint32_t *slots; /* of lines, by pseudonym */
	size_t slot_count;
};

void tl_identity_map_line(struct tl_buf *out, const char *class, const char *pseudonym,
			  const char *original)
{
	tl_buf_printf(out, "%s\t%s\t%s\n", class, pseudonym, original);
}

int tl_identity_map_append(int fd, struct tl_buf *lines, struct tl_err *err)
{
	struct stat status;
	int r = 0;

	if (fstat(fd, &status) == 0 && status.st_size < 2 * TL_IDENTITY_MAP_BYTES_MAX)
		r = tl_fs_write_all(fd, lines->data, lines->len, err);
	if (r == 0) {
		tl_buf_consume(lines, lines->len);
		tl_buf_reset(lines);
	}
	return r;
}

static size_t field_len(const struct line *line)
{
	return line->original - 1 - line->pseudonym;
}

static uint32_t hash_of(const char *text, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a, without case */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((unsigned char)text[i] | 0x20)) * 16777619u;
	return hash;
}

/* The slot that has the pseudonym, or the empty one where it would go. */
static uint32_t *find_slot(const struct tl_identity_map *map, const char *text, size_t len)
{
	size_t at = hash_of(text, len) % map->slot_count;

	while (map->slots[at] != EMPTY) {
		const struct line *line = &map->lines[map->slots[at]];

		if (field_len(line) == len &&
		    strncasecmp(map->text.data + line->pseudonym, text, len) == 0)
			break;
		at = (at + 1) % map->slot_count;
	}
	return &map->slots[at];
}

/* A line's fields; false for a line that is none of ours. */
static bool read_line(const struct tl_identity_map *map, size_t start, size_t len,
		      struct line *ret_line)
{
	const char *text = map->text.data + start;
	const char *first = memchr(text, '\t', len);
	const char *second =
		first ? memchr(first + 1, '\t', len - (size_t)(first + 1 - text)) : NULL;

	if (!second || second == first + 1 || memchr(text, '\0', len))
		return false;
	*ret_line = (struct line){.start = (uint32_t)start,
				  .len = (uint32_t)len,
				  .pseudonym = (uint32_t)(start + (size_t)(first + 1 - text)),
				  .original = (uint32_t)(start + (size_t)(second + 1 - text))};
	return true;
}

static size_t count_lines(const struct tl_buf *text)
{
	size_t count = 1;

	for (size_t i = 0; i < text->len; i++)
		count += text->data[i] == '\n';
	return count;
}

/* Of two lines with one pseudonym the newer holds. */
static int index_lines(struct tl_identity_map *map)
{
	size_t lines = count_lines(&map->text);

	map->slot_count = 2 * lines + 1;
	map->lines = reallocarray(NULL, lines, sizeof *map->lines);
	map->slots = reallocarray(NULL, map->slot_count, sizeof *map->slots);
	if (!map->lines || !map->slots)
		return TL_ENOMEM;
	memset(map->slots, 0xff, map->slot_count * sizeof *map->slots);
	for (size_t start = 0; start < map->text.len;) {
		const char *text = map->text.data + start;
		const char *newline = memchr(text, '\n', map->text.len - start);
		size_t len = newline ? (size_t)(newline - text) : map->text.len - start;
		struct line *line = &map->lines[map->count];

		/* A line without its end was cut by a crash. */
		if (newline && read_line(map, start, len, line)) {
			*find_slot(map, map->text.data + line->pseudonym, field_len(line)) =
				(uint32_t)map->count;
			map->count++;
		}
		start += len + 1;
	}
	return 0;
}

static int load(int dir_fd, struct tl_identity_map **ret_map, struct tl_err *err)
{
	tl_auto(tl_identity_map) struct tl_identity_map *map = calloc(1, sizeof *map);
	int r;

	if (!map)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the map of pseudonyms");
	map->text = (struct tl_buf)TL_BUF_SECRET_INIT(LOAD_MAX);
	r = tl_fs_read_secret(dir_fd, TL_PSEUDONYM_MAP_FILE, &map->text, err);
	if (r == TL_ENOENT)
		r = 0;
	if (r == 0 && index_lines(map) < 0)
		r = tl_err_set(err, TL_ENOMEM, "out of memory for the map of pseudonyms");
	if (r != 0)
		return r;
	*ret_map = tl_steal(&map);
	return 0;
}

int tl_identity_map_load(const char *state_dir, struct tl_identity_map **ret_map,
			 struct tl_err *err)
{
	tl_fd int dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be opened", state_dir);
	return load(dir_fd, ret_map, err);
}

/* Writes the newest lines, each pseudonym once, within the bound. */
static int rewrite(int dir_fd, struct tl_err *err)
{
	tl_auto(tl_identity_map) struct tl_identity_map *map = NULL;
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_SECRET_INIT(TL_IDENTITY_MAP_BYTES_MAX);
	size_t first, kept = 0, bytes = 0;
	int r = load(dir_fd, &map, err);

	if (r != 0)
		return r;
	for (first = map->count; first > 0; first--) {
		const struct line *line = &map->lines[first - 1];

		if (*find_slot(map, map->text.data + line->pseudonym, field_len(line)) != first - 1)
			continue;
		if (kept == TL_IDENTITY_MAP_LINES_MAX / 2 ||
		    bytes + line->len + 1 > REWRITE_BYTES / 2)
			break;
		kept++;
		bytes += line->len + 1;
	}
	for (size_t i = first; i < map->count; i++) {
		const struct line *line = &map->lines[i];

		if (*find_slot(map, map->text.data + line->pseudonym, field_len(line)) != i)
			continue;
		tl_buf_append(&out, map->text.data + line->start, line->len);
		tl_buf_putc(&out, '\n');
	}
	r = tl_buf_check(&out);
	return r < 0 ? tl_err_set(err, r, "out of memory for the map of pseudonyms")
		     : tl_fs_write_file(dir_fd, TL_PSEUDONYM_MAP_FILE, 0600, tl_buf_str(&out),
					out.len, err);
}

static int open_map(int dir_fd, int *ret_fd, struct tl_err *err)
{
	tl_fd int fd = -1;
	int r = tl_fs_open_at(dir_fd, TL_PSEUDONYM_MAP_FILE,
			      O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600, &fd, err);

	if (r == 0)
		r = tl_fs_check_secret(fd, TL_PSEUDONYM_MAP_FILE, err);
	if (r == 0)
		*ret_fd = tl_steal_fd(&fd);
	return r;
}

int tl_identity_map_open(const char *state_dir, int *ret_fd, struct tl_err *err)
{
	struct stat status;
	tl_fd int dir_fd = -1, fd = -1;
	int r = tl_fs_make_dir(state_dir, 0700, &dir_fd, err);

	if (r == 0)
		r = open_map(dir_fd, &fd, err);
	if (r < 0)
		return r;
	if (fstat(fd, &status) == 0 && status.st_size > REWRITE_BYTES) {
		r = rewrite(dir_fd, err);
		close(tl_steal_fd(&fd));
		if (r == 0)
			r = open_map(dir_fd, &fd, err);
	}
	if (r == 0)
		*ret_fd = tl_steal_fd(&fd);
	return r;
}

const char *tl_identity_map_find(const struct tl_identity_map *map, const char *pseudonym,
				 size_t len)
{
	uint32_t slot = *find_slot(map, pseudonym, len);
	const struct line *line;

	if (slot == EMPTY)
		return NULL;
	/* The newline behind the original becomes its end, once. */
	line = &map->lines[slot];
	map->text.data[line->start + line->len] = '\0';
	return map->text.data + line->original;
}

void tl_identity_map_free(struct tl_identity_map *map)
{
	if (!map)
		return;
	tl_buf_clear(&map->text);
	free(map->lines);
	free(map->slots);
	free(map);
}
