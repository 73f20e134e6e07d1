#include "rescan/bundle.h"

static int on_member(void *arg, const struct tl_bundle_member *member, struct tl_err *err TL_UNUSED)
{
	tl_rescan_begin(arg, member->path);
	return 0;
}

static int on_data(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	if (len > 0)
		tl_rescan_feed(arg, bytes, len);
	else
		tl_rescan_end(arg);
	return 0;
}

int tl_rescan_bundle(struct tl_rescan *rescan, int fd, const struct tl_bundle_limits *limits,
		     struct tl_err *err)
{
	const struct tl_bundle_visitor visitor = {on_member, on_data, rescan};

	return tl_bundle_walk(fd, limits, &visitor, err);
}
