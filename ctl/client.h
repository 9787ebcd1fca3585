/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls over the control socket of a daemon. */
#ifndef LXCFS_CTL_CLIENT_H
#define LXCFS_CTL_CLIENT_H

struct json_object;

/* How lxcfsctl ends. */
enum ctl_status {
	CTL_DONE = 0,
	CTL_REFUSED = 1,     /* or failed */
	CTL_USAGE = 2,       /* the command line is wrong */
	CTL_UNREACHABLE = 3, /* no daemon answers */
};

struct client_call {
	const char *runtime_directory;
	const char *method;
	struct json_object *parameters; /* NULL: none */
	int patience;                   /* seconds for the next message */
	/* Called for each line while an order is obeyed; NULL: all come with the reply. */
	void (*take_line)(const char *line);
};

/*
 * Make the call.  *reply (to be put) is the last message, also if it is an error; NULL when there is
 * none.  What went wrong was said on standard error.
 */
enum ctl_status client_call(const struct client_call *call, struct json_object **reply);

#endif
