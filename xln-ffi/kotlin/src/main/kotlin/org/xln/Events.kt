package org.xln

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow

/**
 * What happens, in order, until the wallet is shut down. Each event goes to one collector only: collect once, and share the
 * flow if several want it.
 */
public fun Wallet.events(): Flow<WalletEvent> = flow { while (true) emit(nextEvent() ?: break) }
