//! Words for the order in which a webhook gets its events. Stored in the database and shown by the API, so they never
//! change.

use crate::words::words;

words! {
    /// Whether a webhook gets the events of one ordering key in their order.
    ///
    /// ```
    /// use postrider_core::ordering::Ordering;
    ///
    /// assert_eq!("key".parse(), Ok(Ordering::Key));
    /// assert_eq!(Ordering::default().as_str(), "none");
    /// ```
    #[derive(Default)]
    Ordering, "ordering", {
        /// Side by side: one that is slow or fails delays no other.
        #[default]
        None = "none",
        /// Those with the same ordering key in the order of their commits, one at a time.
        Key = "key",
    }
}

words! {
    /// What a delivery that was given up does to the later ones of its ordering key.
    ///
    /// ```
    /// use postrider_core::ordering::OnGiveUp;
    ///
    /// assert_eq!("halt".parse(), Ok(OnGiveUp::Halt));
    /// assert_eq!(OnGiveUp::default().to_string(), "skip");
    /// assert!("stop".parse::<OnGiveUp>().is_err());
    /// ```
    #[derive(Default)]
    OnGiveUp, "choice on giving up", {
        /// They go on without it.
        #[default]
        Skip = "skip",
        /// They wait until the owner of the webhook releases the key, or sends the one given up again.
        Halt = "halt",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_never_change() {
        assert_eq!(
            Ordering::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>(),
            ["none", "key"]
        );
        assert_eq!(
            OnGiveUp::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>(),
            ["skip", "halt"]
        );
    }
}
