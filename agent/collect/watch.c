#include "collect/watch.h"

#include <string.h>

#include "rescan/rescan.h"

#define CANARY_MAX (64 * 1024)

static int on_begin(void *arg, const char *path, struct tl_err *err TL_UNUSED)
{
	struct watch *watch = arg;

	tl_rescan_begin(watch->rescan, path);
	return 0;
}

static int on_data(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct watch *watch = arg;

	if (bytes) {
		tl_rescan_feed(watch->rescan, bytes, len);
		return 0;
	}
	tl_rescan_end(watch->rescan);
	return tl_rescan_verdict(watch->rescan, err);
}

int watch_open(struct watch *watch, struct tl_err *err)
{
	int r = tl_canary_new(&watch->canary, err);

	if (r == 0)
		r = tl_rescan_new(&watch->rescan, err);
	if (r == 0)
		r = tl_rescan_add_canary(watch->rescan, watch->canary, err);
	if (r < 0)
		return r;
	tl_buf_init(&watch->text, CANARY_MAX);
	watch->text.secret = true;
	tl_canary_text(watch->canary, &watch->text);
	watch->bundle = (struct bundle_watch){.begin = on_begin, .data = on_data, .arg = watch};
	return tl_buf_check(&watch->text) < 0
		       ? tl_err_set(err, TL_ENOMEM, "out of memory for the second look")
		       : 0;
}

int watch_append(struct bundle_writer *writer, const char *text, struct tl_err *err)
{
	struct bundle_member member = {.path = WATCH_CANARY_PATH, .mode = 0644};
	struct bundle_bytes bytes = {.memory = text, .size = strlen(text), .status = "ok"};

	return bundle_writer_append(writer, &member, &bytes, err);
}

void watch_clear(struct watch *watch)
{
	tl_rescan_free(watch->rescan);
	tl_canary_free(watch->canary);
	tl_buf_clear(&watch->text);
	*watch = (struct watch){.canary = NULL};
}
