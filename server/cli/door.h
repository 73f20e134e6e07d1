/* The relay's SSH front door, as the profile names it. */
#ifndef TOWLINE_SERVER_CLI_DOOR_H
#define TOWLINE_SERVER_CLI_DOOR_H

#include "cli/profile.h"

struct tl_front_door {
	char host[256];
	char port[8];
};

/* TL_ECONFIG says how to name it. */
TL_MUST_CHECK int tl_front_door_read(const struct tl_profile *profile,
				     struct tl_front_door *ret_door, struct tl_err *err);

#endif
