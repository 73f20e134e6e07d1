/* A host that uploads bundles to the rig's relay. */
#ifndef TOWLINE_TEST_SENDER_H
#define TOWLINE_TEST_SENDER_H

#include "rig.h"

#define TUS "Tus-Resumable: 1.0.0"

/* A host with a ticket and a bundle to send: its text begins with its id, as the rig's intake wants. */
struct sender {
	struct host host;
	char ticket[33], bundle[TL_ID_LEN + 1];
	char text[256], sha256[TL_SHA256_HEX];
	char location[256];
};

void sender_clear(struct sender *sender);
void sender_make(struct rig *rig, const char *text_prefix, struct sender *sender);
/* The Upload-Metadata header, signed by `signer` for `signed_sha256`. */
void sender_metadata(struct rig *rig, const struct sender *s, const struct tl_key *signer,
		     const char *signed_sha256, char *header, size_t size);
void sender_post(struct rig *rig, const struct sender *s, const char *metadata, long length,
		 struct reply *ret_reply);
void sender_create_as(struct rig *rig, struct sender *s, const struct tl_key *signer,
		      const char *sha256);
void sender_create(struct rig *rig, struct sender *s);
void sender_patch(struct rig *rig, const struct sender *s, const void *bytes, size_t len,
		  size_t offset, bool chunked, struct reply *ret_reply);
void assert_offset(struct rig *rig, const struct sender *s, const char *expected);
void sender_send_all(struct rig *rig, const struct sender *s, struct reply *ret_reply);
TL_DEFINE_AUTO(sender, sender_clear);

#endif
