extension Wallet {
    /// What happens, in order, until the wallet is shut down. Each event goes to one reader only: read once, and share what you
    /// read if several want it.
    public var events: AsyncStream<WalletEvent> {
        AsyncStream { try? await self.nextEvent() }
    }
}
