#include "collect/builtin/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/kernel.h"

#define TEXT_MAX (16 * 1024)
#define PIECE 65536

json_t *snapshot_text(const char *text)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(TEXT_MAX);

	tl_str_printable(&out, text, strnlen(text, TEXT_MAX / 4));
	return json_string(tl_buf_str(&out));
}

void snapshot_add(json_t *items, const char *name, json_t *object)
{
	json_object_set_new(object, "name", snapshot_text(name));
	json_array_append_new(items, object);
}

static int compare_items(const void *a, const void *b)
{
	const json_t *const *one = a, *const *other = b;

	return strcmp(json_string_value(json_object_get(*one, "name")),
		      json_string_value(json_object_get(*other, "name")));
}

/* Of items with one name (a mount over a mount) all but the first get a number. */
static json_t *numbered(json_t *item, size_t before)
{
	char name[TEXT_MAX];
	json_t *copy;

	if (before == 0)
		return json_incref(item);
	copy = json_copy(item);
	snprintf(name, sizeof name, "%.8000s#%zu", json_string_value(json_object_get(item, "name")),
		 before + 1);
	json_object_set_new(copy, "name", json_string(name));
	return copy;
}

static json_t *sorted(const json_t *items)
{
	size_t count = json_array_size(items);
	tl_free json_t **order = calloc(count + 1, sizeof(*order));
	json_t *result = json_array();
	size_t same = 0;

	if (!order)
		return result;
	for (size_t i = 0; i < count; i++)
		order[i] = json_array_get(items, i);
	qsort(order, count, sizeof(*order), compare_items);
	for (size_t i = 0; i < count; i++) {
		same = i > 0 && compare_items(&order[i], &order[i - 1]) == 0 ? same + 1 : 0;
		json_array_append_new(result, numbered(order[i], same));
	}
	return result;
}

int snapshot_write(struct collect_context *context, const char *what, const json_t *items,
		   struct tl_err *err)
{
	tl_json *snapshot = json_pack("{s:i, s:o}", "schema", 1, "items", sorted(items));
	char path[96];

	if (!snapshot)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the snapshot of %s", what);
	snprintf(path, sizeof path, "snapshot/%s.json", what);
	return collect_member_json(context, path, snapshot, err);
}

size_t snapshot_load(const struct collect_context *context, const char *path, struct tl_buf *out)
{
	char full[PATH_MAX];
	size_t begin = out->len;
	ssize_t n = 1;
	tl_fd int fd = -1;

	snprintf(full, sizeof full, "%s%s", context->root, path);
	fd = open(full, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	while (fd >= 0 && n > 0 && out->len < out->max) {
		size_t room = out->max - out->len;
		char *piece = tl_buf_reserve(out, room > PIECE ? PIECE : room);

		n = piece ? read(fd, piece, room > PIECE ? PIECE : room) : 0;
		if (n > 0)
			tl_buf_commit(out, (size_t)n);
	}
	return out->len - begin;
}

bool snapshot_number(const struct collect_context *context, const char *path, int64_t *ret_value)
{
	char text[64], *end;
	long long value;

	kernel_read(context, path, text, sizeof text);
	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || errno != 0)
		return false;
	*ret_value = value;
	return true;
}

char *snapshot_line(char **rest)
{
	return *rest && **rest ? strsep(rest, "\n") : NULL;
}

size_t snapshot_words(char *line, char **words, size_t room)
{
	char *rest = NULL;
	size_t count = 0;

	for (char *word = strtok_r(line, " \t", &rest); word && count < room;
	     word = strtok_r(NULL, " \t", &rest))
		words[count++] = word;
	return count;
}
