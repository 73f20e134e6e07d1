/* The roster of engineers, as the relay keeps it: to hand it on. It is signed by an offline key; what counts is the
 * endpoints' own look at it. Workers only. */
#ifndef TOWLINE_SERVER_ROSTER_H
#define TOWLINE_SERVER_ROSTER_H

#include "desk/change.h"
#include "desk/desk.h"

struct tl_roster_text {
	const char *roster, *signature; /* as they stand in FILE and FILE.sig */
};
/* Inside a change: checks it as an endpoint would (`pinned`: the configured fingerprint, "" for any key) and keeps
 * it. The same again is fine; TL_ECONFLICT for a version that is not newer. */
TL_MUST_CHECK int tl_roster_publish(struct tl_change *change, const char *pinned,
				    const struct tl_roster_text *text, struct tl_err *err);
/* Tells every host where the newest version is another than *seen_version, which it then is. Hosts ask for it
 * themselves when they connect. */
TL_MUST_CHECK int tl_roster_tell(struct tl_desk *desk, struct tl_store *store,
				 int64_t *seen_version, struct tl_err *err);
/* {"version","roster","signature"} of the newest, TL_ENOENT. */
TL_MUST_CHECK int tl_roster_newest(struct tl_store *store, json_t **ret_document,
				   struct tl_err *err);

#endif
