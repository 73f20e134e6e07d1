/* The SSH certificate that `towline login` fetches, kept beside the profile: FILES below the profile's directory.
 * Main thread. */
#ifndef TOWLINE_SERVER_CLI_CERTIFICATE_H
#define TOWLINE_SERVER_CLI_CERTIFICATE_H

#include <stdbool.h>
#include <towline/buf.h>
#include <towline/cli.h>

/* The names that ssh itself would look for. */
#define TL_SSH_KEY_FILE "ssh_key"
#define TL_SSH_CERTIFICATE_FILE "ssh_key-cert.pub"

/* Fetches one for --ssh-key, or for a key made now. That the relay issues none, or wants a second factor that is not
 * enrolled yet, is said on stderr and no failure. */
TL_MUST_CHECK int tl_certificate_fetch(const struct tl_cli *cli, struct tl_err *err);

/* The paths of key and certificate for ssh_config; false: there is none. */
bool tl_certificate_paths(const struct tl_cli *cli, struct tl_buf *key, struct tl_buf *certificate);

#endif
