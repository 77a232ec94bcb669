/** Revisions of a git repository, checked out and built beside the user's tree. */
@NullMarked
package dev.dormouse.cli.bench.refs;

import org.jspecify.annotations.NullMarked;
